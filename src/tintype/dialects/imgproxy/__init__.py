"""The imgproxy URL language (imgproxy 4.0.12): everything its free edition reads, and encrypted sources."""

from tintype.dialects.imgproxy.dialect import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings

__all__ = ["Imgproxy", "ImgproxySettings"]
