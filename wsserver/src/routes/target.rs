//! The segments of targets: of those that routes have, and of those that are asked for.

use super::RouteError;

/// A segment of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    Fixed(&'a str),
    Parameter(&'a str),
}

impl<'a> Segment<'a> {
    pub(super) const fn name(self) -> Option<&'a str> {
        match self {
            Self::Fixed(_) => None,
            Self::Parameter(name) => Some(name),
        }
    }
}

/// The segments of the target of a route.
pub(super) fn pattern(target: &str) -> Result<Vec<Segment<'_>>, RouteError> {
    let path = target.strip_prefix('/').ok_or(RouteError::InvalidTarget)?;
    let mut pattern: Vec<Segment<'_>> = vec![];
    for text in path.split('/').filter(|text| !text.is_empty()) {
        let segment = text.strip_prefix(':').map_or(Segment::Fixed(text), Segment::Parameter);
        // A path ends before the first question mark: none would be found.
        if text.contains('?') || segment.name() == Some("") {
            return Err(RouteError::InvalidTarget);
        }
        let mut names = pattern.iter().filter_map(|segment| segment.name());
        if segment.name().is_some_and(|name| names.any(|known| known == name)) {
            return Err(RouteError::DuplicateParameter);
        }
        pattern.push(segment);
    }
    Ok(pattern)
}

/// The segments of a path that begins with a slash; one slash at its end is left out.
pub(super) fn segments(path: &str) -> Option<impl Iterator<Item = &str>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments = (!path.is_empty()).then(|| path.split('/'));
    Some(segments.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::{
        Segment::{Fixed, Parameter},
        *,
    };

    #[test]
    fn targets_of_routes_have_segments() {
        let rows: [(&str, &[Segment<'_>]); 6] = [
            ("/", &[]),
            ("///", &[]),
            ("/a/", &[Fixed("a")]),
            ("//a//:b///", &[Fixed("a"), Parameter("b")]),
            ("/:1/:é/:a:b", &[Parameter("1"), Parameter("é"), Parameter("a:b")]),
            ("/12:30/%2F", &[Fixed("12:30"), Fixed("%2F")]),
        ];
        for (target, wanted) in rows {
            assert_eq!(pattern(target).as_deref(), Ok(wanted), "{target}");
        }
        for target in ["", "a", ":a", "/:", "/a/:/b", "?", "/?", "/a?b", "/:a?b"] {
            assert_eq!(pattern(target), Err(RouteError::InvalidTarget), "{target}");
        }
        for target in ["/:a/:a", "/:a/b/:a/:c"] {
            assert_eq!(pattern(target), Err(RouteError::DuplicateParameter), "{target}");
        }
    }

    #[test]
    fn paths_have_segments() {
        let rows: [(&str, Option<&[&str]>); 9] = [
            ("", None),
            ("a/", None),
            ("/", Some(&[])),
            ("//", Some(&[])),
            ("///", Some(&["", ""])),
            ("/a", Some(&["a"])),
            ("/a/", Some(&["a"])),
            ("/a//", Some(&["a", ""])),
            ("//a/:b", Some(&["", "a", ":b"])),
        ];
        for (path, wanted) in rows {
            let segments = segments(path).map(Iterator::collect::<Vec<_>>);
            assert_eq!(segments.as_deref(), wanted, "{path}");
        }
    }
}
