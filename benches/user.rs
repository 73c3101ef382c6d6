//! The start of a program as another user.
//!
//! rini does it with `--user`. The other inits need a second program for it: Debian's gosu, or rini under the name gosu. `none`
//! is that program alone, without an init. The time runs from the exec of the init to the program's first instruction.

use crate::effort::Effort;
use crate::inits::{self, Init, Kind};
use crate::priority::RealTimePriority;
use crate::results::{Better, Results};
use crate::start;
use std::fs;
use std::process::Command;

/// A user and a group by number, so that no list has to have them.
const USER: &str = "65534:65534";

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let Some(rini) = inits.iter().find(|init| init.kind == Kind::Rini) else { return };
    let folder = inits::output_directory().join("names");
    let link = folder.join("gosu");
    fs::create_dir_all(&folder).expect("a directory in target");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&rini.command[0], &link).expect("a link in target");
    let names = [("Debian's gosu", inits::find_on_path("gosu")), ("rini as gosu", Some(link))];
    for (name, helper) in names {
        let Some(helper) = helper.map(|path| inits::to_text(&path)) else {
            results.add_note(format!("The start as another user with {name} is left out: it is not installed."));
            continue;
        };
        let tried = Command::new(&helper).args([USER, &rini.probe, "exit"]).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            results
                .add_note(format!("The start as another user with {name} is left out: {USER} may not run the probe."));
            continue;
        }
        let inits: Vec<Init> = inits.iter().map(|init| change_user(init, &helper)).collect();
        let _priority = RealTimePriority::acquire(results);
        let mut samples = vec![Vec::new(); inits.len()];
        for round in 0..effort.pick(100, 20) {
            for (index, init) in inits::rotate(&inits, round) {
                samples[index].push(start::measure_run(init).start);
            }
        }
        let name = format!("start as another user: rini by `--user`, the others with {name}");
        results.add_row(&name, "µs", Better::Lower, &samples);
    }
}

/// The init with what it needs to run its program as the other user.
fn change_user(init: &Init, helper: &str) -> Init {
    let mut changed = init.clone();
    match init.kind {
        Kind::Rini => changed.command.splice(1..1, ["--user".to_owned(), USER.to_owned()]).for_each(drop),
        _ => changed.command.extend([helper.to_owned(), USER.to_owned()]),
    }
    changed
}
