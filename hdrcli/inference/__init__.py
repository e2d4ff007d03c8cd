"""Networks: which there are, running one on a device, running one over a picture in tiles. It knows no cameras."""
