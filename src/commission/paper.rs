//! A short document of headings, tables and lines to sign, as HTML that stands alone and as Markdown.

use std::fmt::Write;

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Heading of a section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A list of sentences.
    List(Vec<String>),
    /// Rows under their head; each has as many cells.
    Table {
        /// Heads of the columns.
        head: Vec<String>,
        /// Rows.
        rows: Vec<Vec<String>>,
    },
    /// A line to sign for each of these, with place and date.
    Signatures(Vec<String>),
}

impl Block {
    /// A table of names and values.
    #[must_use]
    pub fn facts(facts: Vec<(String, String)>) -> Self {
        let rows = facts.into_iter().map(|(name, value)| vec![name, value]).collect();
        Self::Table { head: vec![String::new(), String::new()], rows }
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// Its title.
    pub title: String,
    /// Its parts in order.
    pub blocks: Vec<Block>,
}

/// Who signs writes where and when, too.
const LINES: [&str; 3] = ["name", "place and date", "signature"];

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#111}\
    table{border-collapse:collapse;width:100%;margin:.6em 0}th,td{border:1px solid #999;padding:.3em .5em;text-align:left;vertical-align:top;\
    overflow-wrap:anywhere}th{background:#eee}thead:has(th:empty){display:none}.sign td{height:2.6em}h2{margin-top:1.6em}\
    @media print{body{margin:0;max-width:none}tr,.sign{break-inside:avoid}}";

impl Paper {
    /// HTML that needs nothing beside it.
    #[must_use]
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut text = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n<body>\
             <h1>{title}</h1>\n"
        );
        for block in &self.blocks {
            html_block(&mut text, block);
        }
        text.push_str("</body></html>\n");
        text
    }

    /// Markdown with the tables of GitHub.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        for block in &self.blocks {
            markdown_block(&mut text, block);
        }
        text
    }
}

fn html_block(text: &mut String, block: &Block) {
    let _ = match block {
        Block::Heading(words) => writeln!(text, "<h2>{}</h2>", escaped(words)),
        Block::Text(words) => writeln!(text, "<p>{}</p>", escaped(words)),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect();
            writeln!(text, "<ul>{items}</ul>")
        }
        Block::Table { head, rows } => writeln!(text, "<table>{}</table>", html_rows(head, rows)),
        Block::Signatures(who) => {
            let (head, rows) = to_sign(who);
            writeln!(text, "<table class=\"sign\">{}</table>", html_rows(&head, &rows))
        }
    };
}

fn html_rows(head: &[String], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, row: &[String]| -> String {
        row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect()
    };
    let body: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", row))).collect();
    format!("<thead><tr>{}</tr></thead>\n<tbody>{body}</tbody>", cells("th", head))
}

fn markdown_block(text: &mut String, block: &Block) {
    let _ = match block {
        Block::Heading(words) => writeln!(text, "\n## {words}"),
        Block::Text(words) => writeln!(text, "\n{words}"),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
            write!(text, "\n{items}")
        }
        Block::Table { head, rows } => write!(text, "\n{}", markdown_rows(head, rows)),
        Block::Signatures(who) => {
            let (head, rows) = to_sign(who);
            write!(text, "\n{}", markdown_rows(&head, &rows))
        }
    };
}

fn markdown_rows(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |row: &[String]| {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    format!("{}{rule}{}", line(head), rows.iter().map(|row| line(row)).collect::<String>())
}

fn to_sign(who: &[String]) -> (Vec<String>, Vec<Vec<String>>) {
    let head = ["for"].into_iter().chain(LINES).map(str::to_owned).collect();
    let row = |who: &String| [who.clone()].into_iter().chain(LINES.map(|_| String::new())).collect();
    (head, who.iter().map(row).collect())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
