//! An address is itself again after it was printed: as an argument of ours, in JSON, and in a To field.
#![no_main]

use bulkmailer::intake::recipients;
use bulkmailer::model::Address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for address in recipients::parse(text).unwrap_or_default() {
        assert_eq!(address.as_str().parse().as_ref(), Ok(&address));
    }
    let Ok(address) = text.parse::<Address>() else { return };
    assert!(!address.as_str().is_empty() && !address.as_str().chars().any(char::is_control));
    assert_eq!(address.to_string().parse().as_ref(), Ok(&address));
    let json = serde_json::to_vec(&address).expect("JSON");
    assert_eq!(serde_json::from_slice::<Address>(&json).expect("our own JSON"), address);
    let named = format!("Somebody <{address}>");
    for text in [address.as_str(), &named] {
        assert_eq!(recipients::parse(text).expect("an address"), std::slice::from_ref(&address));
    }
});
