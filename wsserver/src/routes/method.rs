//! The methods of requests.

/// The methods that routes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Delete,
    Get,
    Patch,
    Post,
    Put,
}

impl Method {
    pub(super) const ALL: [Self; 5] = [Self::Delete, Self::Get, Self::Patch, Self::Post, Self::Put];

    /// The method of this name, in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name))
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_their_names_in_any_case() {
        for method in Method::ALL {
            let name = method.as_str();
            assert_eq!(Method::parse(name), Some(method));
            assert_eq!(Method::parse(&name.to_lowercase()), Some(method));
        }
        for name in ["", "HEAD", "OPTIONS", "GET ", "GE", "PO\u{17f}T"] {
            assert_eq!(Method::parse(name), None, "{name}");
        }
    }
}
