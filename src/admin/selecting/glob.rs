//! Patterns of addresses, as a shell has them.

/// Whether `text` matches `pattern`, which is in lower case, where `*` stands for any characters and `?` for one; the case of
/// the text does not count. Takes time in proportion to the product of both lengths at most.
pub fn glob(pattern: &str, text: &str) -> bool {
    if text.is_ascii() {
        // A character of the pattern that is not ASCII has bytes that no such text has, and `?` stands for a byte.
        return matches(pattern.as_bytes(), text.as_bytes(), (b'*', b'?'), |byte| byte.to_ascii_lowercase());
    }
    let characters = |text: &str| text.chars().collect::<Vec<char>>();
    matches(&characters(pattern), &characters(&text.to_lowercase()), ('*', '?'), |c| c)
}

fn matches<C: Copy + PartialEq>(pattern: &[C], text: &[C], (any, one): (C, C), lower: impl Fn(C) -> C) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(&c) if c == any => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == one || c == lower(text[t]) => {
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
    pattern[p..].iter().all(|&c| c == any)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text) in [
            ("*@a.b", "x@a.b"),
            ("x@*", "x@"),
            ("*", ""),
            ("a?c", "abc"),
            ("*a*b*", "xxaxxbxx"),
            ("é?", "éb"),
            ("É?".to_lowercase().as_str(), "Éb"),
            ("*@a.b", "X@A.B"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "x"), ("a", "ab"), ("?", ""), ("*@a.b", "x@a.bc"), ("a*b", "acbd")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
        let many = "*a".repeat(30) + "b";
        assert!(!glob(&many, &"a".repeat(200)));
    }
}
