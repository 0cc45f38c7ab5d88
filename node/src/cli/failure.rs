//! How a command fails: what happened, why, what to do next; and the exit status that says so.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::content::FindError;
use crate::ingest::IngestError;
use crate::lifecycle::OpenError;
use crate::store::StoreError;

use super::print::note;

type BoxError = Box<dyn Error + Send + Sync>;

/// A failure, another error or a text, with what to do about it.
#[derive(Debug)]
pub struct Advised {
    what: BoxError,
    next: String,
    usage: bool,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.what.source()
    }
}

/// What happened, and what to do next.
pub fn advise(what: impl Into<BoxError>, next: impl Into<String>) -> Advised {
    Advised { what: what.into(), next: next.into(), usage: false }
}

/// A command that cannot be meant so: exit status 2, as for a mistake clap finds.
pub fn usage(what: impl Into<BoxError>, next: impl Into<String>) -> Advised {
    Advised { what: what.into(), next: next.into(), usage: true }
}

/// The exit status: 0 done, 1 failed, 2 used wrongly or set up wrongly. Reports a failure on stderr.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // `lianbo-node article list | head` is no failure.
    if error.chain().any(is_closed_pipe) {
        return ExitCode::SUCCESS;
    }
    note(&report(&error));
    ExitCode::from(status(&error))
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
}

fn status(error: &anyhow::Error) -> u8 {
    let misused = error.chain().any(|it| {
        find::<Advised>(it).is_some_and(|it| it.usage) || it.downcast_ref::<ConfigError>().is_some()
    });
    if misused { 2 } else { 1 }
}

/// What is said on stderr.
fn report(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    let mut said = error.to_string();
    for error in error.chain().skip(1) {
        let cause = error.to_string();
        // Many errors repeat their cause in their own words, and tonic's says nothing at all.
        if !said.contains(&cause) && !error.is::<tonic::transport::Error>() {
            text.push_str("\n  caused by: ");
            text.push_str(&cause);
        }
        said = cause;
    }
    if let Some(next) = error.chain().find_map(next) {
        text.push_str("\n  next: ");
        text.push_str(&next);
    }
    text
}

/// An error itself, or the one a plan gave the door as its reason not to write.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    error.downcast_ref::<E>().or_else(|| match error.downcast_ref::<IngestError>() {
        Some(IngestError::Refused(reason)) => reason.downcast_ref::<E>(),
        _ => None,
    })
}

fn next(error: &(dyn Error + 'static)) -> Option<String> {
    let next = if let Some(advised) = find::<Advised>(error) {
        return Some(advised.next.clone());
    } else if let Some(error) = find::<FindError>(error) {
        match error {
            FindError::NotAnId(_) | FindError::Nothing(_) | FindError::Ambiguous(_) => {
                "see `list` for the ids; with --json they are whole"
            }
            FindError::Store(_) => return None,
        }
    } else if let Some(OpenError::Store(error)) = error.downcast_ref() {
        return next_store(error);
    } else if let Some(error) = error.downcast_ref::<StoreError>() {
        return next_store(error);
    } else if let Some(IngestError::Store(error)) = error.downcast_ref() {
        return next_store(error);
    } else if let Some(ConfigError::Missing(_)) = error.downcast_ref() {
        "name the data folder with --data DIR or LIANBO_DATA"
    } else {
        return None;
    };
    Some(next.to_owned())
}

fn next_store(error: &StoreError) -> Option<String> {
    let next = if error.may_pass_later() {
        "the database is busy, full or away: see to it, then run the command again"
    } else if matches!(error, StoreError::Database(_)) {
        "see that the database in lianbo.toml (or LIANBO_DATABASE) is there and that this user may \
         read and write it"
    } else {
        return None;
    };
    Some(next.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;
    use std::sync::Arc;

    #[test]
    fn a_failure_says_what_happened_why_and_what_to_do_next() {
        let error = Err::<(), _>(advise("the disk is full", "make room"))
            .context("the article was not written")
            .unwrap_err();
        assert_eq!(
            report(&error),
            "error: the article was not written\n  caused by: the disk is full\n  next: make room"
        );
        assert_eq!(status(&error), 1);
    }

    #[test]
    fn a_plans_reason_is_found_behind_the_door() {
        let error = IngestError::Refused(Arc::new(usage("no such column", "add it")));
        let error = anyhow::Error::from(error);
        assert_eq!(report(&error), "error: no such column\n  next: add it");
        assert_eq!(status(&error), 2);
    }

    #[test]
    fn a_wrong_configuration_counts_as_wrong_use() {
        let error = anyhow::Error::from(ConfigError::Missing("/nowhere".into()));
        assert_eq!(status(&error), 2);
        assert!(report(&error).contains("--data"));
    }
}
