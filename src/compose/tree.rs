//! A text's syntax tree, within bounds that keep whatever walks over it from running out of stack.

use minijinja::machinery::{Token, ast, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::error::{Place, TemplateError};
use super::origin::Origin;

/// The most operators, filters and names of one `{{ }}` or `{% %}`, each of which may be a level of the tree.
const WORDS_MAX: usize = 300;
/// The most `{% elif %}` of all `{% if %}` that are open at one place: each is a level, too.
const CHOICES_MAX: usize = 200;

/// How the engine treats the blanks around statements: a line with nothing but a statement leaves no line.
pub(super) fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true).lstrip_blocks(true).trim_blocks(true);
    // Blanks alone are set, which no builder refuses.
    syntax.build().unwrap_or_default()
}

/// A text's syntax tree.
///
/// Errors: it is no template, or too deep.
pub(super) fn tree(origin: &Origin) -> Result<ast::Stmt<'_>, TemplateError> {
    bounded(origin)?;
    parse(&origin.text, &origin.file, syntax()).map_err(|error| {
        let place = error.range().map(|range| origin.place(range.start));
        let place = place.or_else(|| error.line().map(|line| origin.line(line)));
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        TemplateError::new(place.unwrap_or_else(|| Place::whole(&origin.file)), what)
    })
}

/// Errors: it has more words in one place than the parser, the rules and the engine have stack for.
fn bounded(origin: &Origin) -> Result<(), TemplateError> {
    let (mut words, mut choices, mut open) = (0, 0, Vec::new());
    let mut behind_block = false;
    for token in tokenize(&origin.text, false, syntax()) {
        // The parser reports what is no token.
        let Ok((token, span)) = token else { return Ok(()) };
        let begins = std::mem::take(&mut behind_block);
        match token {
            Token::TemplateData(_) | Token::VariableStart => words = 0,
            Token::BlockStart => (words, behind_block) = (0, true),
            // Items of a list or an object are beside one another.
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Float(_) | Token::Comma | Token::Colon => {}
            Token::Ident("if") if begins => open.push(choices),
            Token::Ident("elif") if begins => choices += 1,
            Token::Ident("endif") if begins => choices = open.pop().unwrap_or(0),
            _ => words += 1,
        }
        if words > WORDS_MAX || choices > CHOICES_MAX {
            let place = origin.place(span.start_offset as usize);
            return Err(TemplateError::new(place, "it is too long for one statement or value: write it as several"));
        }
    }
    Ok(())
}
