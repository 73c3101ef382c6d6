//! Forwarding.

use crate::support::{namespaces, pid1, probe};

#[test]
fn each_signal_from_1_to_64_is_forwarded() {
    if !namespaces() {
        return;
    }
    let mut run = pid1([probe().as_os_str(), "signals".as_ref(), "15".as_ref()]).spawn();
    run.expect("ready 2");
    for signal in (1..=64).filter(|signal| ![9, 15, 17, 19].contains(signal)) {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
    }
    // SIGCHLD is rini's own; what comes behind it shows that it did not come.
    run.signal(17);
    run.signal(15);
    run.expect("signal 15 code -1 pid 0 uid 0 value 0");
    let output = run.finish();
    assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
}
