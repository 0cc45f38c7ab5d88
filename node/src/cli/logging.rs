//! The log of a serving process, on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::usage;
use crate::config::{LogConfig, LogFormat};

/// Starts the log as configured. Call once, in `serve` and `sync`.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&config.filter).map_err(|error| {
        usage(
            format!("log.filter in the configuration is no filter: {error}"),
            "write `info`, or `info,lianbo_node::link=debug`",
        )
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log could not be started: {error}"))
}
