"""The response of a camera: what light the codes of its display pictures stand for."""
