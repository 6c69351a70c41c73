//! Patterns of addresses, as a shell has them.

/// Whether `text` matches `pattern`, where `*` stands for any characters and `?` for one. Takes time in proportion to the
/// product of both lengths at most.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text) in
            [("*@a.b", "x@a.b"), ("x@*", "x@"), ("*", ""), ("a?c", "abc"), ("*a*b*", "xxaxxbxx"), ("é?", "éb")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "x"), ("a", "ab"), ("?", ""), ("*@a.b", "x@a.bc"), ("a*b", "acbd")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
        let many = "*a".repeat(30) + "b";
        assert!(!glob(&many, &"a".repeat(200)));
    }
}
