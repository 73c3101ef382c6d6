//! A page of the documentation, which pulldown-cmark splits into its parts.

use pulldown_cmark::{BrokenLink, CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

/// A piece of a page, and the line in which it begins.
#[derive(Clone, Debug)]
pub struct Piece {
    pub line: usize,
    pub text: String,
}

/// A block of code. An indented one has no language.
#[derive(Clone, Debug)]
pub struct Block {
    pub line: usize,
    pub language: String,
    /// The text of `<!-- test: … -->` in the line above the fence.
    pub marker: Option<String>,
    pub text: String,
}

#[derive(Default)]
pub struct Page {
    pub name: String,
    pub text: String,
    pub blocks: Vec<Block>,
    /// Prose: neither code, nor tables, nor headings. A code span counts as one word.
    pub sentences: Vec<Piece>,
    pub cells: Vec<Piece>,
    pub headings: Vec<Piece>,
    pub spans: Vec<Piece>,
    /// The targets of links, images and HTML attributes.
    pub links: Vec<Piece>,
    /// References such as `[text][name]` that nothing defines.
    pub undefined: Vec<Piece>,
    /// The anchors of this page, which may follow the `#` of a link.
    pub anchors: BTreeSet<String>,
}

/// This replaces a code span in prose.
const CODE: &str = "`code`";

impl Page {
    pub fn read(name: &str, text: &str) -> Page {
        let mut page = Page { name: name.to_owned(), text: text.to_owned(), ..Page::default() };
        let line_of = |at: usize| text[..at].matches('\n').count() + 1;
        let mut undefined = Vec::new();
        let note = |link: BrokenLink<'_>| {
            // Brackets alone may be ordinary text.
            if link.link_type != LinkType::Shortcut {
                undefined.push(Piece { line: line_of(link.span.start), text: link.reference.to_string() });
            }
            None
        };
        let options = Options::ENABLE_TABLES | Options::ENABLE_GFM | Options::ENABLE_STRIKETHROUGH;
        let parser = Parser::new_with_broken_link_callback(text, options, Some(note)).into_offset_iter();
        // The prose of the present block, the offsets at which its lines begin, and the same prose with the text of its
        // code spans.
        let (mut prose, mut lines, mut raw) = (String::new(), Vec::new(), String::new());
        let (mut block, mut images): (Option<Block>, _) = (None, 0);
        let mut titles: BTreeMap<String, usize> = BTreeMap::new();
        for (event, range) in parser {
            let line = line_of(range.start);
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    let above = text.lines().nth(line.wrapping_sub(2)).unwrap_or_default();
                    block = Some(Block { line, language, marker: marker(above), text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(part) if block.is_some() => block.iter_mut().for_each(|block| block.text += &part),
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push(Piece { line, text: dest_url.to_string() }),
                Event::Start(Tag::Image { dest_url, .. }) => {
                    page.links.push(Piece { line, text: dest_url.to_string() });
                    images += 1;
                }
                Event::End(TagEnd::Image) => images -= 1,
                Event::Html(html) | Event::InlineHtml(html) => {
                    page.links.extend(attributes(&html, &["href", "src", "srcset"], line));
                    page.anchors.extend(attributes(&html, &["id", "name"], line).map(|piece| piece.text));
                    if html.starts_with("<br") {
                        prose.push(' ');
                    }
                }
                Event::Text(part) if images == 0 => {
                    lines.push((prose.len(), line));
                    prose += &part;
                    raw += &part;
                }
                Event::Code(span) => {
                    page.spans.push(Piece { line, text: span.to_string() });
                    lines.push((prose.len(), line));
                    prose += CODE;
                    raw += &span;
                }
                Event::SoftBreak | Event::HardBreak => {
                    prose.push(' ');
                    raw.push(' ');
                }
                Event::Start(tag) if !is_inline(tag.to_end()) => {
                    page.sentences.extend(sentences(&take(&mut prose), &take(&mut lines)));
                    raw.clear();
                }
                Event::End(tag) if !is_inline(tag) => {
                    let (prose, lines, raw) = (take(&mut prose), take(&mut lines), take(&mut raw));
                    let whole = Piece { line, text: prose.clone() };
                    match tag {
                        TagEnd::Heading(_) => {
                            page.headings.push(whole);
                            page.anchors.insert(anchor(&raw, &mut titles));
                        }
                        TagEnd::TableCell => page.cells.push(whole),
                        _ => page.sentences.extend(sentences(&prose, &lines)),
                    }
                }
                _ => (),
            }
        }
        page.undefined = undefined;
        page
    }

    /// The place of a line, such as `docs/page.md:12`.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }
}

fn is_inline(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link)
}

/// The text of a marker.
pub fn marker(line: &str) -> Option<String> {
    Some(line.trim().strip_prefix("<!-- test: ")?.strip_suffix(" -->")?.trim().to_owned())
}

/// The values of HTML attributes.
fn attributes<'a>(html: &'a str, names: &'a [&str], line: usize) -> impl Iterator<Item = Piece> + 'a {
    names.iter().flat_map(move |name| {
        let begin = format!(" {name}=\"");
        let values: Vec<_> = html.split(&*begin).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        values.into_iter().map(move |value| Piece { line, text: value.to_owned() })
    })
}

/// The anchor that GitHub gives a heading: lower case, a hyphen for each space, and only letters, digits, hyphens and
/// underscores. A repeated title gets a number.
fn anchor(title: &str, titles: &mut BTreeMap<String, usize>) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let slug = title.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
    let count = titles.entry(slug.clone()).and_modify(|count| *count += 1).or_insert(0);
    if *count == 0 { slug } else { format!("{slug}-{count}") }
}

/// Splits prose at each full stop, question mark or exclamation mark before another sentence.
fn sentences(prose: &str, lines: &[(usize, usize)]) -> Vec<Piece> {
    let (mut found, mut begin) = (Vec::new(), 0);
    let ends = prose.match_indices(['.', '?', '!']).map(|(at, _)| at + 1);
    for end in ends.chain([prose.len()]) {
        let behind = prose[end..].trim_start_matches(['"', ')', '’', '”']);
        let next = behind.trim_start();
        // A sentence may begin with a small letter, as rini's own name does.
        let follows = behind.len() != next.len() && !next.is_empty();
        let short = ["e.g.", "i.e.", "vs.", "cf.", "etc."].iter().any(|word| prose[..end].ends_with(word));
        if end < prose.len() && (!follows || short) {
            continue;
        }
        let (from, to) = (begin, prose.len() - behind.len());
        begin = to;
        let text = prose[from..to].trim();
        // The last piece that begins at or before this sentence.
        let from = from + prose[from..to].len() - prose[from..to].trim_start().len();
        let line = lines.iter().rev().find(|(at, _)| *at <= from).map_or(1, |(_, line)| *line);
        if words(text) > 0 {
            found.push(Piece { line, text: text.to_owned() });
        }
    }
    found
}

/// The number of words in a text. A dash or a sign alone does not count.
pub fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

#[test]
fn a_page_is_taken_apart() {
    let page = Page::read(
        "docs/a.md",
        "# One `b` & *c*\n\nFirst [a](x.md#y), with `rini: x`\nand more. Second, e.g. one (3.5 s). “Third!” rini\n- item one:\n  - below. \
         Two\n\n<!-- test: root exit 3 -->\n```sh\na\n\nb\n```\n\n    bare\n\n> Quoted.\n\n| a | b |\n|---|---|\n| c \\| d | **e**<br>f |\n\n\
         # One `b` & *c*\n![alt](i.svg) [x][y] [z]\n<a id=\"own\" href=\"h.md\">\n",
    );
    let texts = |pieces: &[Piece]| pieces.iter().map(|one| format!("{} {}", one.line, one.text)).collect::<Vec<_>>();
    assert_eq!(
        texts(&page.sentences),
        [
            "3 First a, with `code` and more.",
            "4 Second, e.g. one (3.5 s).",
            "4 “Third!”",
            "4 rini",
            "5 item one:",
            "6 below.",
            "6 Two",
            "17 Quoted.",
            "24 [x][y] [z]",
        ]
    );
    assert_eq!(texts(&page.cells), ["19 a", "19 b", "21 c | d", "21 e f"]);
    assert_eq!(texts(&page.headings), ["1 One `code` & c", "23 One `code` & c"]);
    assert_eq!(texts(&page.links), ["3 x.md#y", "24 i.svg", "25 h.md"]);
    assert_eq!(texts(&page.undefined), ["24 y"]);
    assert_eq!(page.anchors, ["one-b--c", "one-b--c-1", "own"].map(str::to_owned).into());
    let [fenced, indented] = &page.blocks[..] else { panic!("{:?}", page.blocks) };
    assert_eq!((fenced.line, &*fenced.language, fenced.marker.as_deref()), (9, "sh", Some("root exit 3")));
    assert_eq!((&*fenced.text, &*indented.language), ("a\n\nb\n", ""));
}
