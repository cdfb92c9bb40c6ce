"""What drivers of cameras share: taking a stream apart, measuring a picture, judging its health."""
