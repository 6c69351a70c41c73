//! Elements and attributes of HTML in which a value needs care.

/// Elements whose content is no HTML to a browser; a script's content is its own language.
pub(super) const RAW: [&str; 7] = ["script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext"];
/// Elements whose content is text with entities.
pub(super) const TEXT_ONLY: [&str; 2] = ["title", "textarea"];
/// Tags whose attributes load or become code, or say where all other URLs begin.
pub(super) const LOADERS: [&str; 16] = [
    "script",
    "style",
    "link",
    "meta",
    "base",
    "iframe",
    "frame",
    "object",
    "embed",
    "applet",
    "param",
    "portal",
    "animate",
    "animatemotion",
    "animatetransform",
    "set",
];
/// Attributes whose value is one URL.
pub(super) const URLS: [&str; 16] = [
    "href",
    "src",
    "action",
    "formaction",
    "background",
    "cite",
    "poster",
    "longdesc",
    "data",
    "xlink:href",
    "codebase",
    "usemap",
    "profile",
    "manifest",
    "lowsrc",
    "dynsrc",
];
/// Attributes whose value is a language of its own.
pub(super) const LANGUAGES: [&str; 5] = ["style", "srcdoc", "srcset", "imagesrcset", "ping"];
/// What a URL with values in it may begin with.
pub(super) const SCHEMES: [&str; 8] = ["http", "https", "mailto", "tel", "sms", "cid", "ftp", "xmpp"];
