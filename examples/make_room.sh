#!/bin/sh
# Make room.dng, room.jpg and bracket/ from nothing: render the scene, then photograph it with simulated cameras.
#
#   sh examples/make_room.sh FOLDER
#
# FOLDER keeps room.exr, the scene without noise, against which a reconstruction of room.dng can be measured, and
# room-truth.exr, which is the same for room.jpg. Rendering needs an environment of its own (python3 -m venv;
# mitsuba==3.9.1 mitsuba-oidn==0.1.2 scipy pillow OpenEXR, libllvm19, DejaVu fonts), named by RENDER_PYTHON; hdrcli
# itself never needs it.
set -eu

here=$(dirname "$0")
[ -e "$1/room.exr" ] || "${RENDER_PYTHON:-python3}" "$here/render_room.py" "$1/room.exr"
python3 -m hdrcli.sensor "$1/room.exr" --camera "Canon EOS 5D Mark III" --iso 100/1600 --exposure 0 \
    --border 64 --hot-pixels 0.00001 -o "$1/room.dng" --overwrite
python3 "$here/photograph_room.py" "$1/room.exr" "$1/room.jpg" "$1/room-truth.exr"
python3 "$here/photograph_bracket.py" "$1/room.exr" "$1/bracket"
