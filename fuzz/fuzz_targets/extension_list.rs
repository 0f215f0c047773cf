//! Lists of extensions: what is read is tokens, and is read again as it was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wscore::extension::{Element, ElementBuf, InvalidElement};

fuzz_target!(|bytes: &[u8]| {
    let mut elements = Element::list(bytes);
    let mut read = vec![];
    while let Some(element) = elements.next() {
        let Ok(element) = element else {
            assert_eq!(elements.next(), None, "nothing behind an error");
            return;
        };
        let owned = element.to_owned();
        assert_eq!(element.params().count(), owned.params().count());
        let rebuilt =
            owned.params().try_fold(ElementBuf::new(owned.name()).unwrap(), |rebuilt, param| {
                match param {
                    (name, None) => rebuilt.flag(name),
                    (name, Some(value)) => rebuilt.param(name, value),
                }
            });
        assert_eq!(rebuilt, Ok(owned.clone()), "names and values are tokens");
        read.push(owned);
    }
    let written: Vec<_> = read.iter().map(ToString::to_string).collect();
    let again: Result<Vec<_>, InvalidElement> = Element::list(written.join(", ").as_bytes())
        .map(|element| Ok(element?.to_owned()))
        .collect();
    assert_eq!(again, Ok(read));
});
