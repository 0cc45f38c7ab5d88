//! A long article's page, as `wrk` gets it from the hub; beside it nginx, with the same bytes from a file.

use std::io::ErrorKind;
use std::process::Stdio;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::cli::advise;
use lianbo_node::content::Record;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Scope};
use tokio::process::Command;

use super::Bench;
use super::county::County;
use super::nginx::Nginx;
use super::report::median;
use crate::local::fetch::Fetch;

/// Bytes of the article's text: with what stands around it, a page of some 30 KB.
const TEXT: usize = 27 * 1024;

/// How the page is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Seconds of one run
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = super::count(1..=600))]
    seconds: usize,
    /// Runs of each, in turns; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = super::count(1..=100))]
    runs: usize,
    /// Connections that are kept open
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = super::count(1..=1000))]
    connections: usize,
}

/// Measures it.
pub(crate) async fn run(options: &Options, bench: &Bench) -> anyhow::Result<()> {
    let report = &bench.report;
    let county = County::found(bench).await?;
    let article = bench.texts.writer(0, 1).article_of(TEXT);
    let address = format!("/article/{}/{}", county.identity.site, article.id);
    let audience = Audience::all(Scope::Organization);
    county.write(vec![Draft::new(audience, Record::Article(article))]).await?;
    let hub = county.serve().await?;
    let page = format!("{}{address}", hub.pages()?);
    let (status, text) = Fetch::new().get(&page).await?;
    anyhow::ensure!(status == 200, "{page} answered with status {status}");
    let folder = bench.fresh("nginx")?;
    let nginx = Nginx::start(folder.path(), text.as_bytes()).await?;
    if nginx.is_none() {
        report.note("nginx is not here (Debian package nginx-light): the hub stands alone");
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(wrk(options, &page).await?);
        if let Some(nginx) = &nginx {
            theirs.push(wrk(options, &nginx.page).await?);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "kilobytes")]
    report.figure("page_bytes", text.len() as f64, "B")?;
    let ours = median(ours);
    report.figure("requests_per_second", ours, "1/s")?;
    if nginx.is_some() {
        let theirs = median(theirs);
        report.figure("nginx_requests_per_second", theirs, "1/s")?;
        report.figure("ratio", ours / theirs, "")?;
    }
    report.figure("hub_peak_rss_mib", hub.peak_kib()? / 1024.0, "MiB")?;
    hub.stop().await
}

/// Requests a second, all answered as they should be.
async fn wrk(options: &Options, page: &str) -> anyhow::Result<f64> {
    let mut command = Command::new("wrk");
    command.arg("-t1").arg(format!("-c{}", options.connections));
    command.arg(format!("-d{}s", options.seconds)).arg(page);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(advise("wrk is not here", "apt install wrk").into());
        }
        output => output.context("wrk cannot be started")?,
    };
    let told = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "wrk ended with {}: {told}", output.status);
    requests_per_second(&told).with_context(|| format!("{page} was not well served: {told}"))
}

/// What `wrk` tells at its end; nothing where answers were missing or wrong.
fn requests_per_second(told: &str) -> Option<f64> {
    if told.contains("Non-2xx") || told.contains("Socket errors") {
        return None;
    }
    let line = told.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_tells_counts_only_if_every_answer_was_right() {
        let good =
            "Running 1s test\n  1 requests in 1.00s\nRequests/sec:  41234.56\nTransfer/sec: 1GB";
        assert_eq!(requests_per_second(good).unwrap().to_string(), "41234.56");
        for bad in ["  Non-2xx or 3xx responses: 7\n", "  Socket errors: connect 0, read 1\n"] {
            assert_eq!(requests_per_second(&format!("{bad}{good}")), None);
        }
        assert_eq!(requests_per_second("unable to connect"), None);
    }
}
