//! The filter of messages in `RINI_LOG`, in the syntax of env_logger.
#![forbid(unsafe_code)]

use crate::ground::bytes;
use log::LevelFilter;

/// A filter that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbosity(pub &'static [u8]);

impl Default for Verbosity {
    fn default() -> Verbosity {
        Verbosity(b"warn")
    }
}

/// One item of a filter: a module, or None for all modules, and the level down to which it is logged.
pub type Directive = (Option<&'static str>, LevelFilter);

/// Reads one item of a filter: a level for all modules, a module, or `module=level`. (env_logger's own parser prints a warning about
/// an item that it cannot read. It takes any word that is not a level as the name of a module, which would silence all messages.)
pub fn read_directive(item: &'static [u8]) -> Option<Directive> {
    let item = item.trim_ascii();
    if let Some(level) = read_log_level(item) {
        return Some((None, level));
    }
    let (module, level) = match bytes::cut(item, b'=') {
        Some((module, level)) => (module, read_log_level(level)?),
        None => (item, LevelFilter::Trace),
    };
    let path = module.strip_prefix(b"rini")?;
    let is_path = |byte: &u8| matches!(byte, b':' | b'a'..=b'z');
    let is_module = path.is_empty() || path.starts_with(b"::") && !path.ends_with(b":") && path.iter().all(is_path);
    if is_module { Some((Some(str::from_utf8(module).ok()?), level)) } else { None }
}

fn read_log_level(word: &[u8]) -> Option<LevelFilter> {
    Some(match bytes::index_of_word(b"OFF ERROR WARN INFO DEBUG TRACE", word)? {
        0 => LevelFilter::Off,
        1 => LevelFilter::Error,
        2 => LevelFilter::Warn,
        3 => LevelFilter::Info,
        4 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    })
}
