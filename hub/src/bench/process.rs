//! What a process takes of the machine, as Linux tells it under /proc.

use anyhow::Context as _;

/// Memory of a process that is its own, and its share of what it shares, in KiB.
pub(super) fn pss_kib(pid: u32) -> anyhow::Result<f64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, "Pss:")
}

/// The most memory a process ever had, in KiB.
pub(super) fn peak_kib(pid: u32) -> anyhow::Result<f64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")
}

/// Seconds of processor time a process took so far.
pub(super) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15, counted behind the name in parentheses; hundredths of a second on Linux.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        behind.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn field(text: &str, name: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.with_context(|| format!("no {name} in /proc"))?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_has_memory_and_took_time() {
        let me = std::process::id();
        let (pss, peak) = (pss_kib(me).unwrap(), peak_kib(me).unwrap());
        assert!(pss > 100.0 && peak >= pss, "{pss} {peak}");
        assert!(cpu_seconds(me).unwrap() >= 0.0);
        assert!(field("Rss: 1 kB\nPss:   12 kB\n", "Pss:").unwrap() > 11.0);
        assert!(field("", "Pss:").is_err());
    }
}
