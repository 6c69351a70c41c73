//! The HTML of a message as a page that a browser shows by itself: pictures of the message (`cid:`) become a part of it.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use mailparse::ParsedMail;

/// The page of a message; `None` if it has no HTML.
pub fn page(message: &[u8]) -> Option<String> {
    let mail = mailparse::parse_mail(message).ok()?;
    let (mut html, mut pictures) = (None, BTreeMap::new());
    collect(&mail, &mut html, &mut pictures);
    let mut rest = html.as_deref()?;
    let mut page = String::with_capacity(rest.len());
    while let Some((before, behind)) = rest.split_once("cid:") {
        page.push_str(before);
        let end = behind.find(['"', '\'', ')', '>', ' ', '\n', '&']).unwrap_or(behind.len());
        let (name, after) = behind.split_at(end);
        match pictures.get(name) {
            Some(url) => page.push_str(url),
            None => page.push_str(&format!("cid:{name}")),
        }
        rest = after;
    }
    page.push_str(rest);
    Some(page)
}

fn collect(part: &ParsedMail<'_>, html: &mut Option<String>, pictures: &mut BTreeMap<String, String>) {
    for child in &part.subparts {
        collect(child, html, pictures);
    }
    let media_type = &part.ctype.mimetype;
    if html.is_none() && media_type == "text/html" {
        *html = part.get_body().ok();
    }
    let id = part.headers.iter().find(|header| header.get_key_ref().eq_ignore_ascii_case("Content-ID"));
    if let (Some(id), Ok(bytes)) = (id, part.get_body_raw()) {
        let name = id.get_value().trim().trim_start_matches('<').trim_end_matches('>').to_owned();
        pictures.insert(name, format!("data:{media_type};base64,{}", BASE64.encode(&bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pictures_become_a_part_of_the_page() {
        let message = b"Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\
            Content-Transfer-Encoding: quoted-printable\n\n<p>=C3=A4 cid: <img src=3D\"cid:a.png\"><img src=3Dcid:none>\n\
            --b\nContent-Type: image/png\nContent-ID: <a.png>\nContent-Transfer-Encoding: base64\n\nUE5H\n--b--\n";
        let expected = "<p>ä cid: <img src=\"data:image/png;base64,UE5H\"><img src=cid:none>";
        assert_eq!(page(message).expect("HTML").trim_end(), expected);
        assert_eq!(page(b"Content-Type: text/plain\n\n<p>"), None);
    }
}
