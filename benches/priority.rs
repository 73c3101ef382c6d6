//! Real-time priority on one processor, for measures that take microseconds.
//!
//! On a busy machine, most of such a time would be the wait for a processor. On an idle machine it would be the wait for
//! another processor to wake up, which takes longer in a virtual machine than everything that an init does. With this
//! priority the time is the time of the work between two moments. Every process that starts meanwhile inherits the
//! priority, each init in the same way. The storms run without it: there the processes compete with the init for the
//! processors, as they do in a container.

use crate::results::Results;
use libc::{SCHED_FIFO, SCHED_OTHER, c_int};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread, as the kernel's scheduling calls name it.
const THIS: Pid = Pid::from_raw(0);

/// Real-time priority of this thread, on one processor, until this value is dropped.
pub struct RealTimePriority {
    before: CpuSet,
    /// A second processor, if there is one.
    other: Option<CpuSet>,
}

impl RealTimePriority {
    /// If the kernel refuses the priority, this adds a note, and the measure runs without it.
    pub fn acquire(results: &mut Results) -> RealTimePriority {
        let before = sched_getaffinity(THIS).expect("this thread");
        let mut each = (0..CpuSet::count()).filter(|cpu| before.is_set(*cpu).unwrap_or(false)).map(|cpu| {
            let mut set = CpuSet::new();
            set.set(cpu).expect("it is one of them");
            set
        });
        let own = each.next().expect("there is a processor");
        if let Err(errno) = set_policy(SCHED_FIFO, 1) {
            results.add_note(format!("Without real-time priority ({}).", errno.desc()));
        }
        sched_setaffinity(THIS, &own).expect("it is one of them");
        RealTimePriority { before, other: each.next() }
    }

    /// The processor on which another thread can run at the same time.
    pub fn other_processor(&self) -> Option<CpuSet> {
        self.other
    }
}

impl Drop for RealTimePriority {
    fn drop(&mut self) {
        let _ = sched_setaffinity(THIS, &self.before);
        let _ = set_policy(SCHED_OTHER, 0);
    }
}

fn set_policy(policy: c_int, priority: c_int) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameters outlive the call.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }).map(drop)
}
