//! What went wrong at the other end, in terms a person can act on.

use std::error::Error;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError, OtherError};

/// Why a connection could not be trusted, or ended. Found anywhere in an error's chain of sources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// Whoever answers has another CA than expected. Trying again does not help.
    #[error(
        "wrong CA: whoever answers at this address is not the hub that made the token or the \
         certificate; check the address, or ask this hub for an invitation"
    )]
    WrongCa,
    /// The right CA, but not the hub asked for. Trying again does not help.
    #[error("the certificate is another site's, not this hub's; check the address")]
    WrongName,
    /// The peer's certificate is not valid by the clock here. Helps: setting the clock, or a renewal there.
    #[error(
        "clock: here it is {}, but the hub's certificate is valid from {} to {}; set the clock of \
         this machine (or, if it is right, that of the hub)",
        show(*now_ms), show(*not_before_ms), show(*not_after_ms)
    )]
    Clock {
        /// The time here, milliseconds since 1970-01-01 UTC.
        now_ms: i64,
        /// Start of the certificate's validity, likewise.
        not_before_ms: i64,
        /// End of it, likewise.
        not_after_ms: i64,
    },
    /// The peer says our certificate is not valid by its clock. The hub accepts expired ones for
    /// renewal, so there it is earlier than when the certificate was made.
    #[error(
        "clock: by the hub's clock this site's certificate is not valid yet; set the hub's clock"
    )]
    ClockThere,
    /// The peer does not accept our certificate.
    #[error("refused: the hub does not accept this site's certificate")]
    Refused,
    /// The peer closed the connection, which is what a revocation looks like from here; so does a
    /// broken line. The next attempt tells.
    #[error("the peer closed the connection")]
    Closed,
    /// Anything else TLS can fail with.
    #[error("TLS: {0}")]
    Other(String),
}

/// What a hub says about a certificate it does not take.
const LATE_ALERTS: [AlertDescription; 9] = [
    AlertDescription::UnknownCA,
    AlertDescription::DecryptError,
    AlertDescription::CertificateExpired,
    AlertDescription::AccessDenied,
    AlertDescription::CertificateRevoked,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateUnknown,
    AlertDescription::CertificateRequired,
];

fn show(ms: i64) -> String {
    Timestamp::from_millisecond(ms - ms.rem_euclid(1000))
        .map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}

impl TlsProblem {
    /// Looks for a TLS failure in an error and everything behind it; `None` if TLS has no part in it.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut closed = None;
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(problem) = error.downcast_ref::<Self>() {
                return Some(problem.clone());
            }
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(error));
            }
            next = error.source();
            if let Some(error) = error.downcast_ref::<io::Error>() {
                if let Some(problem) = Self::of_retold(error) {
                    return Some(problem);
                }
                if is_closed(error.kind()) {
                    closed = Some(Self::Closed);
                }
                // An io::Error passes over what it wraps when asked for its source.
                next = error.get_ref().map(|inner| inner as &(dyn Error + 'static)).or(next);
            }
        }
        closed
    }

    /// Once the handshake is over, errors of the line pass through h2, which keeps their kind and text
    /// and nothing else. A refusal of our certificate arrives that late, so it is known by its text, as
    /// rustls itself would write it.
    fn of_retold(error: &io::Error) -> Option<Self> {
        if error.kind() != io::ErrorKind::InvalidData {
            return None;
        }
        let text = error.get_ref()?.to_string();
        LATE_ALERTS
            .into_iter()
            .map(rustls::Error::AlertReceived)
            .find(|alert| alert.to_string() == text)
            .map(|alert| Self::of(&alert))
    }

    fn of(error: &rustls::Error) -> Self {
        use AlertDescription as Alert;
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))
            | rustls::Error::Other(OtherError(inner)) => match inner.downcast_ref::<Self>() {
                Some(problem) => problem.clone(),
                None => Self::Other(error.to_string()),
            },
            rustls::Error::InvalidCertificate(reason) => Self::of_certificate(reason),
            rustls::Error::AlertReceived(alert) => match alert {
                Alert::UnknownCA | Alert::DecryptError => Self::WrongCa,
                Alert::CertificateExpired => Self::ClockThere,
                Alert::AccessDenied
                | Alert::CertificateRevoked
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateRequired => Self::Refused,
                _ => Self::Other(error.to_string()),
            },
            _ => Self::Other(error.to_string()),
        }
    }

    pub(super) fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::WrongCa,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            other => Self::Other(other.to_string()),
        }
    }

    /// As a verifier must return it, so that [`TlsProblem::find`] finds it at the far end of the chain.
    pub(super) fn into_rustls(self) -> rustls::Error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

fn is_closed(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_problem_is_found_however_deep_it_lies() {
        let deep = Outer(io::Error::other(TlsProblem::WrongCa.into_rustls()));
        assert_eq!(TlsProblem::find(&deep), Some(TlsProblem::WrongCa));
        let twice = Outer(io::Error::other(Outer(io::Error::other(TlsProblem::Refused))));
        assert_eq!(TlsProblem::find(&twice), Some(TlsProblem::Refused));
    }

    #[test]
    fn what_the_peer_says_is_understood() {
        let alert = |alert| io::Error::other(rustls::Error::AlertReceived(alert));
        for (said, meant) in [
            (AlertDescription::CertificateExpired, TlsProblem::ClockThere),
            (AlertDescription::UnknownCA, TlsProblem::WrongCa),
            (AlertDescription::CertificateRevoked, TlsProblem::Refused),
        ] {
            assert_eq!(TlsProblem::find(&alert(said)), Some(meant));
        }
        let odd = TlsProblem::find(&alert(AlertDescription::InternalError));
        assert!(matches!(odd, Some(TlsProblem::Other(_))));
    }

    #[test]
    fn a_closed_line_is_told_from_what_has_nothing_to_do_with_tls() {
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(TlsProblem::find(&Outer(eof)), Some(TlsProblem::Closed));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(TlsProblem::find(&Outer(refused)), None);
    }

    #[test]
    fn a_skewed_clock_names_the_times() {
        let problem =
            TlsProblem::Clock { now_ms: 0, not_before_ms: 86_400_000, not_after_ms: 172_800_999 };
        let text = problem.to_string();
        for time in ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z"] {
            assert!(text.contains(time), "{text}");
        }
    }
}
