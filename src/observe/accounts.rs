//! The users and groups of the container, as /etc/passwd and /etc/group list them (passwd(5), group(5)).
//!
//! rini reads the files itself, because a name service (nsswitch.conf(5)) needs libraries of the image. `USER[:GROUP]` has these
//! rules, which are gosu's:
//!
//! - A user or a group that consists of digits is a number, also if there is a name like it.
//! - The first entry that matches counts.
//! - Without GROUP, it is the group of the user's entry, and all groups that list the user are supplementary groups.
//! - With GROUP, there are no other groups.
//! - Without an entry for the number of a user, HOME is `/`.
//!
//! A line whose ids are no numbers is no entry. (gosu takes such an id as 0, which is root.)
//! A file that is missing has no entries. One that cannot be read is an error, because a group could be in it, and so is one without
//! an end, such as a device.
#![forbid(unsafe_code)]

use crate::ground::bytes::{self, Parts};
use crate::sys::files;
use crate::sys::user::{self, Id, Ids};
use nix::errno::Errno;
use std::ffi::CStr;
use std::ops::ControlFlow;

/// The ids and the home of a user.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// The ids.
    pub ids: Ids,
    /// The home directory.
    pub home: &'static [u8],
}

/// Why there is no [`Account`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountError {
    /// No user has this name.
    NoUser,
    /// No group has this name.
    NoGroup,
    /// No user has this number, and no group was given.
    UnknownGroup,
    /// /etc/passwd cannot be read. It is EFBIG if the file is longer than [`LONGEST_FILE`], or a line than [`LONGEST_LINE`].
    UsersUnreadable(Errno),
    /// The same for /etc/group.
    GroupsUnreadable(Errno),
}

/// How an init reads `USER[:GROUP]` where that does not say everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRules {
    /// rini's own user and group stand for what is missing. Otherwise that is an error.
    pub own_by_default: bool,
    /// The group is a supplementary group too, as initgroups(3) does it.
    pub lists_group: bool,
}

/// A longer line is an error. A group of five thousand users has a line of this length.
const LONGEST_LINE: usize = 1 << 16;

/// A longer file is an error. A million users have some 50 MB.
const LONGEST_FILE: usize = 1 << 26;

/// The number of supplementary groups that a process can have (NGROUPS_MAX of linux/limits.h).
const MOST_GROUPS: usize = 1 << 16;

/// Finds the account for a user and a group.
#[inline(never)] // (size: 29)
pub fn find(user: &[u8], group: &[u8], rules: AccountRules) -> Result<Account, AccountError> {
    find_in([c"/etc/passwd", c"/etc/group"], user, group, rules)
}

fn find_in(
    [users, groups]: [&CStr; 2],
    user: &[u8],
    group: &[u8],
    rules: AccountRules,
) -> Result<Account, AccountError> {
    let (own_user, own_group) = user::own_ids();
    let number = if user.is_empty() { Some(own_user) } else { id(user) };
    // What is found is never freed, as the process keeps it. (size: 27)
    let (mut name, mut home): (&[u8], &[u8]) = (b"", b"/");
    let (mut user_id, mut group_id) = (number, rules.own_by_default.then_some(own_group));
    for_each_entry(users, &mut |entry| {
        let is_user = number.map_or(entry.name == user, |number| entry.id == number);
        if !is_user || id(entry.group_or_members).is_none() {
            return ControlFlow::Continue(());
        }
        (user_id, group_id) = (Some(entry.id), id(entry.group_or_members));
        (home, name) = (entry.home.to_vec().leak(), entry.name.to_vec().leak());
        ControlFlow::Break(())
    })
    .map_err(AccountError::UsersUnreadable)?;
    let user_id = user_id.ok_or(AccountError::NoUser)?;
    if !group.is_empty() {
        // Its members do not matter. Without a name, no group lists the user.
        (group_id, name) = (id(group), b"");
    } else if group_id.is_none() {
        return Err(AccountError::UnknownGroup);
    }
    let mut others = Vec::new();
    for_each_entry(groups, &mut |entry| {
        if group_id.is_none() && entry.name == group {
            group_id = Some(entry.id);
        }
        if !name.is_empty() && Parts::of(entry.group_or_members, b',').any(|member| member == name) {
            others.push(entry.id);
        }
        // The kernel refuses more groups than this.
        if others.len() > MOST_GROUPS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .map_err(AccountError::GroupsUnreadable)?;
    let group_id = group_id.ok_or(AccountError::NoGroup)?;
    if rules.lists_group {
        others.push(group_id);
    }
    Ok(Account { ids: Ids { user: user_id, group: group_id, others: others.leak() }, home })
}

/// Reads an id. The largest number of 32 bits means "unchanged" to the kernel (setresuid(2)), so it is none.
fn id(text: &[u8]) -> Option<Id> {
    Id::try_from(bytes::number(text)?).ok().filter(|id| *id != Id::MAX)
}

/// An entry of a file. passwd(5) and group(5) begin in the same way.
struct Entry<'a> {
    name: &'a [u8],
    id: Id,
    /// The group of a user, or the users of a group.
    group_or_members: &'a [u8],
    /// The home of a user.
    home: &'a [u8],
}

impl Entry<'_> {
    /// Parses a line.
    fn of(line: &[u8]) -> Option<Entry<'_>> {
        // It may have been written on Windows.
        let mut fields = Parts::of(line.trim_ascii_end(), b':');
        let (name, number, group_or_members) = (fields.next()?, fields.nth(1)?, fields.next()?);
        Some(Entry { name, id: id(number)?, group_or_members, home: fields.nth(1).unwrap_or_default() })
    }
}

/// Calls `f` with each entry of a file until it breaks.
fn for_each_entry(path: &CStr, f: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) -> Result<(), Errno> {
    let (mut line, mut is_too_long) = (Vec::new(), false);
    let mut read = |byte| {
        if byte == b'\n' {
            let flow = Entry::of(&line).map_or(ControlFlow::Continue(()), &mut *f);
            line.clear();
            return flow;
        }
        line.push(byte);
        is_too_long = line.len() > LONGEST_LINE;
        if is_too_long { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let done = files::for_each_byte(path, LONGEST_FILE, &mut read);
    // The last line may lack its end. After a break, the line is empty and thus no entry.
    let _ = read(b'\n');
    match done {
        _ if is_too_long => Err(Errno::EFBIG),
        Err(Errno::ENOENT) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::ground::fuzzed::{Random, is_long, kept, with};
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::Mutex;
    use std::{env, fs, process};

    type Found = Result<(Id, Id, Vec<Id>, Vec<u8>), AccountError>;

    fn number_of(text: &[u8]) -> Option<Id> {
        let text = std::str::from_utf8(text).ok()?;
        let is_number = !text.is_empty() && text.chars().all(|character| character.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number != 4_294_967_295)
    }

    /// The lines that have a number in the third field, and a fourth field.
    fn lines_of(text: &[u8]) -> Vec<(Id, Vec<&[u8]>)> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let fields = lines.map(|line| line.split(|byte| *byte == b':').collect::<Vec<_>>());
        fields.filter(|fields| fields.len() > 3).filter_map(|fields| Some((number_of(fields[2])?, fields))).collect()
    }

    /// The same as [`find`], written from the documentation in `docs/options.md` and `docs/drop-in.md`.
    fn expect([users, groups]: [&[u8]; 2], user: &[u8], group: &[u8], rules: AccountRules) -> Found {
        let own = user::own_ids();
        let number = if user.is_empty() { Some(own.0) } else { number_of(user) };
        let with_group = lines_of(users).into_iter().filter(|(_, fields)| number_of(fields[3]).is_some());
        let entry = { with_group }.find(|(id, fields)| number.map_or(fields[0] == user, |number| *id == number));
        let id = number.or(entry.as_ref().map(|(id, _)| *id)).ok_or(AccountError::NoUser)?;
        let home =
            entry.as_ref().map_or(b"/".to_vec(), |(_, fields)| fields.get(5).map_or(vec![], |home| home.to_vec()));
        let default = rules.own_by_default.then_some(own.1);
        let (main, others) = if group.is_empty() {
            let main = entry.as_ref().map(|(_, fields)| number_of(fields[3]).unwrap()).or(default);
            let name = entry.as_ref().map(|(_, fields)| fields[0]).filter(|name| !name.is_empty());
            let lists = |fields: &[&[u8]]| fields[3].split(|byte| *byte == b',').any(|member| Some(member) == name);
            let others = lines_of(groups).into_iter().filter(|(_, fields)| lists(fields)).map(|(id, _)| id);
            (main.ok_or(AccountError::UnknownGroup)?, others.collect())
        } else {
            let named = || lines_of(groups).into_iter().find(|(_, fields)| fields[0] == group).map(|(id, _)| id);
            (number_of(group).or_else(named).ok_or(AccountError::NoGroup)?, vec![])
        };
        let main_again = rules.lists_group.then_some(main);
        Ok((id, main, others.into_iter().chain(main_again).collect::<Vec<_>>(), home))
    }

    /// Ends a part of the bytes for [`check`].
    const SEPARATOR: u8 = 0x1e;

    /// Looks up the account that the bytes describe: a byte that chooses the rules; USER, GROUP, /etc/passwd and /etc/group, with
    /// [`SEPARATOR`] between them. Panics if the result is not as documented. Returns true if there is such an account.
    pub fn check(bytes: &[u8]) -> bool {
        static TURN: Mutex<()> = Mutex::new(());
        let (which, rest) = bytes.split_first().unwrap_or((&0, b""));
        let rules = AccountRules { own_by_default: which & 1 != 0, lists_group: which & 2 != 0 };
        let mut parts = rest.splitn(4, |byte| *byte == SEPARATOR);
        let [user, group, users, groups] = [(); 4].map(|()| parts.next().unwrap_or_default());
        let wanted = expect([users, groups], user, group, rules);
        let is = {
            let _turn = TURN.lock();
            let paths = [("passwd", users), ("group", groups)].map(|(name, text)| {
                let path = env::temp_dir().join(format!("rini-{name}-{}", process::id()));
                fs::write(&path, text).unwrap();
                path
            });
            let c_paths = paths.each_ref().map(|path| CString::new(path.as_os_str().as_bytes()).unwrap());
            let is = find_in(c_paths.each_ref().map(|path| path.as_c_str()), user, group, rules);
            for path in paths {
                fs::remove_file(path).unwrap();
            }
            is
        };
        let is = is.map(|account| {
            let Ids { user, group, others } = account.ids;
            (user, group, others.to_vec(), account.home.to_vec())
        });
        assert_eq!(is, wanted);
        is.is_ok()
    }

    #[test]
    fn the_inputs_that_the_fuzzer_kept_are_read_as_documented() {
        let kept = kept("accounts");
        assert!(kept.len() > 30, "{}", kept.len());
        for bytes in kept {
            with(&bytes, check);
        }
    }

    /// Random files of a few lines, in which much is almost right.
    #[test]
    fn random_files_are_read_as_documented() {
        const NAMES: &[&[u8]] = &[
            b"app", b"app", b"app", b"app", b"web", b"root", b"7", b"", b"ap\rp", b" app", b"app ", b"x,app", b"\xff",
            b"a\0b", b"+",
        ];
        const NUMBERS: &[&[u8]] = &[
            b"7",
            b"7",
            b"7",
            b"8",
            b"9",
            b"0",
            b"007",
            b"4294967294",
            b"4294967295",
            b"4294967303",
            b"",
            b"x",
            b"-1",
            b"+7",
            b"7 ",
        ];
        const MEMBERS: &[&[u8]] = &[b"", b"app", b"web,app", b"app,", b",", b"application", b"app,app", b"7", b" app"];
        const REST: &[&[u8]] = &[b"", b"/home/app", b"/", b":", b"sh", b"\xff"];
        let mut random = Random(1);
        let mut found = 0;
        let count = if is_long() { 100_000 } else { 2_000 };
        for turn in 0..count {
            let mut pick = |from: &[&'static [u8]]| from[random.below(from.len())];
            let mut texts = [vec![], vec![]];
            for (index, text) in texts.iter_mut().enumerate() {
                for _ in 0..turn % 12 {
                    let fourth = pick(if index == 0 { NUMBERS } else { MEMBERS });
                    let fields = [pick(NAMES), b"x", pick(NUMBERS), fourth, pick(REST), pick(REST), pick(REST)];
                    let kept = pick(&[b"7", b"7", b"7", b"4", b"3", b"6", b"0"]);
                    let kept = usize::from(kept[0] - b'0');
                    text.extend(fields[..kept].join(&b':'));
                    text.extend_from_slice(pick(&[b"\n", b"\n", b"\n", b"\r\n", b" \n", b"\n\n", b""]));
                }
            }
            let (user, group) =
                (pick(NAMES), pick(&[b"", b"", b"web", b"7", b"app", b"4294967295", b"nobody", b"\xff"]));
            let user = if turn % 3 == 0 {
                pick(NUMBERS)
            } else if turn % 3 == 1 {
                b"app"
            } else {
                user
            };
            let rules = [u8::try_from(turn % 4).unwrap()];
            let bytes = [&rules, user, group, &texts[0], &texts[1]].map(|part| part.to_vec());
            let [rules, parts @ ..] = bytes;
            found += usize::from(with(&[rules, parts.join(&SEPARATOR)].concat(), check));
        }
        assert!((count / 10..count / 2).contains(&found), "{found} of {count}");
    }
}
