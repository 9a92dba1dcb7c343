//! What stands in code font: spans in a sentence, and fenced blocks by their language.

/// A fenced block.
pub struct Block<'a> {
    /// Behind the fence: `sh`, `toml devices/x.toml`.
    pub info: &'a str,
    pub text: &'a str,
}

/// Fenced blocks of a page.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let parts: Vec<&str> = page.split("\n```").collect();
    let fenced = parts.iter().skip(1).step_by(2).filter_map(|part| part.split_once('\n'));
    fenced.map(|(info, text)| Block { info, text }).collect()
}

/// Code font within sentences, links included.
pub fn spans(page: &str) -> Vec<&str> {
    let sentences = page.split("\n```").step_by(2).flat_map(|text| text.split("\n\n").flat_map(|p| p.split("\n- ")));
    sentences.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2)).collect()
}

/// Calls of `gateway`: the words behind it, up to what ends a command in a shell.
pub fn calls(code: &str) -> Vec<Vec<&str>> {
    let mut calls = Vec::new();
    for line in code.split('\n').filter(|line| !line.trim_start().starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, _) in
            words.iter().enumerate().filter(|(at, word)| is_call(word, at.checked_sub(1).and_then(|n| words.get(n))))
        {
            let ends = |word: &&&str| !word.starts_with(['|', '<', '>', '&', '#', ';', ')']) && **word != "2>&1";
            calls.push(words.iter().skip(at + 1).take_while(ends).copied().collect());
        }
    }
    calls
}

/// `gateway` where a command begins, not where it is an argument or a word.
fn is_call(word: &str, before: Option<&&str>) -> bool {
    let begins = before
        .is_none_or(|before| ["|", "&&", ";", "sudo", "do", "then", "&"].contains(before) || before.contains('='));
    word.trim_start_matches(['(', '{']) == "gateway" && begins
}
