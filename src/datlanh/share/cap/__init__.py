"""The Common Alerting Protocol 1.2: alerts written, signed, read and checked. No database, no network.

What comes in is foreign until its signature is that of a sender we believe; only what the signature covers is read.
"""

from datlanh.share.cap.alert import CapAlert, CapArea, CapInfo
from datlanh.share.cap.read import read, verified
from datlanh.share.cap.sign import Signer, certificate_of
from datlanh.share.cap.write import write

__all__ = [
    "CapAlert",
    "CapArea",
    "CapInfo",
    "Signer",
    "certificate_of",
    "read",
    "verified",
    "write",
]
