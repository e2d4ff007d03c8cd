"""Rendered training pictures with true light far above the clip: rooms, streets, and things under lamps.

Scenes are made by seeded code alone (`rooms`, `outdoors`, `closeups`) and path-traced by Mitsuba 3, an optional
package; without it only `pictures.render_pictures` fails.
"""
