"""Our own key for alerts: a certificate that others can pin, in the folder of secrets; made when there is none."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from datlanh.share.notice.send import own_secret

NAME = "cap.pem"
_YEARS = 5


class Signer:
    """Signs alerts (enveloped XML-DSig, ECDSA with SHA-256, exclusive canonical form)."""

    def __init__(self, home: Path, name: str, now: datetime) -> None:
        # One file holds key and certificate, so that no two programs can make a pair that does not fit.
        pem = own_secret(home, NAME, lambda: _new(name, now))
        key = serialization.load_pem_private_key(pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self.certificate = certificate_of(pem.decode())

    @property
    def pem(self) -> str:
        """The certificate that others pin."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, alert: etree._Element) -> bytes:
        """The signed alert as bytes that are never touched again."""
        signer = XMLSigner(
            signature_algorithm=SignatureMethod.ECDSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        signed = signer.sign(alert, key=self._key, cert=[self.certificate])
        written: bytes = etree.tostring(signed, xml_declaration=True, encoding="UTF-8")
        return written


def certificate_of(pem: str) -> x509.Certificate:
    """A certificate from its PEM text, whatever stands before it."""
    return x509.load_pem_x509_certificate(pem[pem.index("-----BEGIN CERTIFICATE-----") :].encode())


def _new(name: str, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:60])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
