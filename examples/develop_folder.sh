#!/bin/sh
# Develop every dual-ISO frame in a folder of raw files, and leave the others alone.
#
#   sh examples/develop_folder.sh FOLDER OUTPUT
#
# OUTPUT gets a scene-linear EXR and a JPEG preview for each dual-ISO frame. What is there already is not done again,
# so the script can be run after every shooting. Where all files are known to be dual-ISO, one command does the same:
#
#   hdrcli deinterlace FOLDER/*.CR2 -o OUTPUT/ --preview OUTPUT/ --skip-existing
set -eu

folder=$1
output=$2
mkdir -p "$output"

done=0
other=0
failed=0
for file in "$folder"/*.[Cc][Rr]2 "$folder"/*.[Dd][Nn][Gg]; do
    [ -e "$file" ] || continue # a pattern that fits nothing stands for itself
    name=$(basename "${file%.*}")
    status=0
    hdrcli deinterlace "$file" -o "$output/$name.exr" --preview "$output/$name.jpg" --skip-existing -q || status=$?
    case $status in
        0) done=$((done + 1)) ;;
        4) other=$((other + 1)) ;; # an ordinary frame
        *) failed=$((failed + 1)) ;;
    esac
done
echo "$done developed, $other not dual-ISO, $failed failed"
[ "$failed" -eq 0 ]
