//! What is wrong with a route.

use std::{error, fmt};

/// Why a route cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteError {
    /// A method other than DELETE, GET, PATCH, POST and PUT.
    InvalidMethod,
    /// A target that does not begin with a slash, has a question mark, or a parameter without a
    /// name.
    InvalidTarget,
    /// A parameter that has another name in a route that is the same up to there, for the same
    /// method; or one whose name the route has already.
    DuplicateParameter,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidMethod => "invalid method",
            Self::InvalidTarget => "invalid target",
            Self::DuplicateParameter => "duplicate parameter",
        })
    }
}

impl error::Error for RouteError {}
