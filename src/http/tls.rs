//! TLS refusals that no retry can mend, in sentences that say what the server offers or which certificate to make.

use rustls::CertificateError as Certificate;
use rustls::{AlertDescription as Alert, Error, InvalidMessage, PeerIncompatible as Peer};

/// A command that makes a certificate which every client accepts, for a store of one's own.
const MAKE: &str = "make one with: openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem \
     -subj /CN=HOST -addext subjectAltName=DNS:HOST -addext basicConstraints=critical,CA:FALSE, and name cert.pem in \
     AWS_CA_BUNDLE";

/// What the refusal is, where neither side would decide otherwise another time; nothing for accidents.
pub(super) fn refusal(error: &Error) -> Option<String> {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some("the server does not support TLS".into())
        }
        Error::InvalidCertificate(error) => Some(certificate(error)),
        Error::NoCertificatesPresented => Some("the server shows no certificate".into()),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::PeerIncompatible(what) => Some(incompatible(what)),
        Error::PeerMisbehaved(what) => {
            Some(format!("the server breaks the rules of TLS: {what:?}"))
        }
        _ => None,
    }
}

fn certificate(error: &Certificate) -> String {
    match error {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "expected a valid certificate, found one that has expired: renew it, or set this machine's clock".into()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "expected a valid certificate, found one whose time has not begun: set this machine's clock".into()
        }
        Certificate::UnknownIssuer => {
            "the server's certificate is signed by an authority that is not trusted: name a file with the authority's certificate in AWS_CA_BUNDLE".into()
        }
        Certificate::BadSignature => {
            "the server's certificate is not signed by the authority that it names: is the file of AWS_CA_BUNDLE an older one?".into()
        }
        Certificate::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            let presented = match presented.as_slice() {
                [] => "one without subject alternative names".to_owned(),
                names => format!("one for {}", names.join(", ")),
            };
            format!("expected a certificate for {expected}, found {presented}; {}", MAKE.replace("HOST", &expected))
        }
        Certificate::NotValidForName => {
            format!("expected a certificate for the server's name, found one for others; {MAKE}")
        }
        Certificate::Other(_) if is_authority(error) => {
            format!("expected a server's certificate, found that of an authority (CA:TRUE) used by a server; {MAKE}")
        }
        Certificate::BadEncoding | Certificate::UnhandledCriticalExtension | Certificate::Other(_) => {
            format!("the server's certificate is malformed, or of a kind that is not supported; {MAKE}")
        }
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            format!("expected a certificate for servers (extended key usage serverAuth), found one for another purpose; {MAKE}")
        }
        Certificate::UnsupportedSignatureAlgorithmContext { .. }
        | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            format!("expected a certificate signed with SHA-256 or better, found one with another signature; {MAKE}")
        }
        _ => format!("the server's certificate is refused; {MAKE}"),
    }
}

/// Whether an authority's own certificate was shown in the place of a server's.
pub(super) fn is_authority(error: &Certificate) -> bool {
    // The type of the inner error is not part of rustls's interface.
    matches!(error, Certificate::Other(cause) if cause.to_string().contains("CaUsedAsEndEntity"))
}

/// What the server said when it refused; nothing for what may be an accident.
fn alerted(alert: Alert) -> Option<String> {
    Some(match alert {
        Alert::ProtocolVersion => OLD.into(),
        // OpenSSL also says so where it misses a certificate of the client, up to TLS 1.2.
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            format!("{NOTHING_IN_COMMON}; or {CLIENT_CERTIFICATE}")
        }
        Alert::CertificateRequired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied
        | Alert::UnknownCA => CLIENT_CERTIFICATE.into(),
        Alert::UnrecognisedName => {
            "the server does not serve this name: correct the endpoint".into()
        }
        _ => return None,
    })
}

const OLD: &str =
    "the server offers no version of TLS that is safe: expected TLS 1.2 or 1.3, found an older one";

const CLIENT_CERTIFICATE: &str =
    "the server asks for a certificate of the client, which is not supported";

const NOTHING_IN_COMMON: &str = "the server and this program have no cipher suite in common: expected ECDHE with AES-GCM, \
     of TLS 1.2 or 1.3, and X25519, P-256 or P-384";

fn incompatible(what: &Peer) -> String {
    match what {
        Peer::ServerDoesNotSupportTls12Or13 | Peer::ServerTlsVersionIsDisabledByOurConfig => {
            OLD.into()
        }
        Peer::NoCipherSuitesInCommon
        | Peer::NoKxGroupsInCommon
        | Peer::NoSignatureSchemesInCommon
        | Peer::NoEcPointFormatsInCommon => NOTHING_IN_COMMON.into(),
        Peer::NoCertificateRequestSignatureSchemesInCommon => CLIENT_CERTIFICATE.into(),
        what => format!("the server's TLS does not fit: {what:?}"),
    }
}
