//! Who computes where: hub and honest node on one part of this machine, attackers on the other, as if they came over a
//! network. Otherwise the honest node would be seen to wait for the attackers' own work, which the hub has no say in.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::{Builder, Runtime};

/// This machine in two parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machines {
    site: CpuSet,
    attackers: CpuSet,
}

impl Machines {
    /// The last core for attackers, all others for the hub; one and the same where there is one core only.
    pub(super) fn split() -> Self {
        let all = sched_getaffinity(None).unwrap();
        let (mut site, mut attackers) = (all, all);
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        if let Some(last) = cores.next_back().filter(|_| all.count() > 1) {
            site.unset(last);
            attackers = CpuSet::new();
            attackers.set(last);
        }
        Self { site, attackers }
    }

    /// How many cores the hub has.
    pub(super) fn of_the_hub(self) -> u32 {
        self.site.count()
    }

    /// This thread, and what it starts from here on, computes where the hub does.
    pub(super) fn be_with_the_hub(self) {
        sched_setaffinity(None, &self.site).unwrap();
    }

    /// This thread, and what it starts from here on, computes where attackers do.
    pub(super) fn be_with_attackers(self) {
        sched_setaffinity(None, &self.attackers).unwrap();
    }

    /// What attackers run on. It opens what they attack on the thread that waits for them: that is to
    /// [be with the hub](Self::be_with_the_hub) until then.
    pub(super) fn attackers(self) -> Runtime {
        let mut attackers = Builder::new_multi_thread();
        attackers.worker_threads(1).enable_all().on_thread_start(move || self.be_with_attackers());
        attackers.build().unwrap()
    }
}
