"""What all reports share: the layout of their lines, and how cameras, exposures and times read."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from hdrcli.images import CameraProfile, Metadata
from hdrcli.io.code_points import REFERENCE_WHITE
from hdrcli.isp.hdr_rendering import HdrRendering


def line(name: str, text: str) -> str:
    """Return one line of a report for people."""
    return f"{name:<18}{text}"


def camera_name(camera: CameraProfile | Metadata) -> str:
    """Return make and model, which many cameras repeat in the model; "unknown camera" where the file does not say."""
    make, model = camera.make.strip(), camera.model.strip()
    if make and model.lower().startswith(make.split()[0].lower()):
        make = ""
    return f"{make} {model}".strip() or "unknown camera"


def exposure_text(metadata: Metadata) -> str:
    """Return exposure time, f-number, ISO and focal length as photographers write them, as far as they are stated."""
    facts = []
    if metadata.exposure_time_s:
        facts.append(f"{_seconds(metadata.exposure_time_s)} s")
    if metadata.f_number:
        facts.append(f"f/{metadata.f_number:.2g}")
    if metadata.iso:
        facts.append(f"ISO {metadata.iso:g}")
    if metadata.focal_length_mm:
        facts.append(f"{metadata.focal_length_mm:.3g} mm")
    return ", ".join(facts) or "not stated"


def metadata_facts(metadata: Metadata) -> dict[str, object]:
    """Return what a file states of its capture, in terms that JSON knows."""
    return {
        "lens": metadata.lens,
        "captured": metadata.captured,
        "exposure_time_s": metadata.exposure_time_s,
        "f_number": metadata.f_number,
        "iso_metadata": metadata.iso,
        "focal_length_mm": metadata.focal_length_mm,
    }


def rendering_facts(rendering: HdrRendering | None) -> dict[str, object]:
    """Return how the scene is shown in a file for HDR displays, in terms that JSON knows; None where it is not."""
    return {
        "diffuse_white": None if rendering is None else round(1 / rendering.scale, 6),
        "peak_nits": None if rendering is None else round(rendering.peak * REFERENCE_WHITE, 1),
    }


def rendering_lines(rendering: HdrRendering | None) -> list[str]:
    """Return the line on how the scene is shown, none for files that are not for HDR displays."""
    if rendering is None:
        return []
    brightest, peak = rendering.brightest * REFERENCE_WHITE, rendering.peak * REFERENCE_WHITE
    shown = (
        f"up to {brightest:.0f}"
        if rendering.brightest <= rendering.peak
        else f"{brightest:.0f} rolled off to {peak:.0f}"
    )
    return [line("HDR display", f"{1 / rendering.scale:.4g} is white, {REFERENCE_WHITE:.0f} cd/m2; {shown} cd/m2")]


def rounded_seconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the times of the stages in whole milliseconds."""
    return {stage: round(time, 3) for stage, time in seconds.items()}


def seconds_line(seconds: Mapping[str, float]) -> str:
    """Return the line on the time of each stage."""
    times = ", ".join(f"{stage} {time:.2f}" for stage, time in seconds.items())
    return line("Seconds", f"{times}; total {sum(seconds.values()):.2f}")


def _seconds(time: float) -> str:
    """Return an exposure time as photographers write it: 1/60, 0.5, 30."""
    if time >= 0.3:
        return f"{time:.3g}"
    return str(Fraction(1, max(1, round(1 / time))))
