//! Out of the way of other work, for what takes microseconds: real-time priority, on one processor.
//!
//! On a machine that does other things too, most of such a time would be waiting for a processor; and on one that does
//! not, for another processor to wake up, which in a virtual machine takes longer than all that an init does. So what is
//! measured is the work that lies between two moments, and not how it is spread. All that is started meanwhile inherits
//! it, each init in the same way. Storms are without it: there the processes compete with the init for the processors, as
//! they do in a container.

use crate::results::Results;
use libc::{SCHED_FIFO, SCHED_OTHER, c_int};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// This thread, to the kernel.
const THIS: Pid = Pid::from_raw(0);

/// Real-time priority of this thread, on one processor, until it is dropped.
pub struct Urgent {
    before: CpuSet,
    /// Another processor.
    other: Option<CpuSet>,
}

impl Urgent {
    /// Where it is not permitted it is said, and all is measured without.
    pub fn begin(results: &mut Results) -> Urgent {
        let before = sched_getaffinity(THIS).expect("this thread");
        let mut each = (0..CpuSet::count()).filter(|cpu| before.is_set(*cpu).unwrap_or(false)).map(|cpu| {
            let mut set = CpuSet::new();
            set.set(cpu).expect("it is one of them");
            set
        });
        let own = each.next().expect("there is a processor");
        if let Err(errno) = set(SCHED_FIFO, 1) {
            results.note(format!("Without real-time priority ({}).", errno.desc()));
        }
        sched_setaffinity(THIS, &own).expect("it is one of them");
        Urgent { before, other: each.next() }
    }

    /// Where another thread can run at the same time.
    pub fn other(&self) -> Option<CpuSet> {
        self.other
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        let _ = sched_setaffinity(THIS, &self.before);
        let _ = set(SCHED_OTHER, 0);
    }
}

fn set(policy: c_int, priority: c_int) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: parameters that outlive the call.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }).map(drop)
}
