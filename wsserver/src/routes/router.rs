//! Which route a method and a path take.

use std::collections::BTreeMap;

use super::{
    RouteError,
    method::Method,
    target::{Segment, pattern, segments},
};

/// A tree of segments for each method.
///
/// A search walks down the tree with the segments of a path. Where a segment has both a child of its
/// own text and a parameter, the parameter is kept for later, and taken if the other leads nowhere:
///
/// ```text
/// open = [(root, 0)]
/// while open has a last (node, level), taken out:
///     at the end of the path: found, if a route ends at the node
///     else add (parameter's child, level + 1), then (child of the segment's text, level + 1)
/// ```
/// Each node is reached by one way only, so that it is taken out at most once: a search costs at
/// most as many steps as the tree has nodes, whatever the path is. A path with more segments than
/// the longest route is not even taken apart, and a step compares no more bytes than the routes
/// have.
#[derive(Debug)]
pub(super) struct Router<T> {
    /// In the order of [`Method::ALL`].
    trees: [Tree<T>; Method::ALL.len()],
}

/// Where a path led to.
#[derive(Debug)]
pub(super) struct Route<T> {
    pub(super) value: T,
    /// For each segment, its name if it is a parameter.
    pub(super) names: Box<[Option<Box<str>>]>,
}

impl<T> Router<T> {
    pub(super) fn new() -> Self {
        Self { trees: Method::ALL.map(|_| Tree { nodes: vec![Node::new()], depth: 0 }) }
    }

    /// Adds a route, or replaces the value of one that is there.
    pub(super) fn insert(
        &mut self,
        method: &str,
        target: &str,
        value: T,
    ) -> Result<(), RouteError> {
        let method = Method::parse(method).ok_or(RouteError::InvalidMethod)?;
        self.trees[method as usize].insert(&pattern(target)?, value)
    }

    pub(super) fn find(&self, method: Method, path: &str) -> Option<&Route<T>> {
        self.trees[method as usize].find(path)
    }

    /// How many routes there are.
    pub(super) fn count(&self) -> usize {
        let nodes = self.trees.iter().flat_map(|tree| &tree.nodes);
        nodes.filter(|node| node.route.is_some()).count()
    }
}

/// The nodes of one method; each but the first has one parent.
#[derive(Debug)]
struct Tree<T> {
    nodes: Vec<Node<T>>,
    /// How many segments the longest route has.
    depth: usize,
}

/// Children are places in the tree.
#[derive(Debug)]
struct Node<T> {
    fixed: BTreeMap<Box<str>, usize>,
    parameter: Option<(Box<str>, usize)>,
    route: Option<Route<T>>,
}

impl<T> Node<T> {
    const fn new() -> Self {
        Self { fixed: BTreeMap::new(), parameter: None, route: None }
    }
}

impl<T> Tree<T> {
    fn insert(&mut self, pattern: &[Segment<'_>], value: T) -> Result<(), RouteError> {
        let mut node = 0;
        for segment in pattern {
            node = self.child(node, *segment)?;
        }
        let names = pattern.iter().map(|segment| segment.name().map(Into::into)).collect();
        self.nodes[node].route = Some(Route { value, names });
        self.depth = self.depth.max(pattern.len());
        Ok(())
    }

    /// The child of a node for a segment, which is made if there is none.
    fn child(&mut self, node: usize, segment: Segment<'_>) -> Result<usize, RouteError> {
        let next = self.nodes.len();
        let node = &mut self.nodes[node];
        let child = match segment {
            Segment::Fixed(text) => *node.fixed.entry(text.into()).or_insert(next),
            Segment::Parameter(name) => {
                let (known, child) = node.parameter.get_or_insert_with(|| (name.into(), next));
                if **known != *name {
                    return Err(RouteError::DuplicateParameter);
                }
                *child
            }
        };
        if child == next {
            self.nodes.push(Node::new());
        }
        Ok(child)
    }

    fn find(&self, path: &str) -> Option<&Route<T>> {
        // One more than the longest route has tells that it is too long.
        let segments: Vec<_> = segments(path)?.take(self.depth + 1).collect();
        if segments.len() > self.depth {
            return None;
        }
        let mut open = vec![(0, 0)];
        while let Some((node, level)) = open.pop() {
            let node: &Node<T> = &self.nodes[node];
            let Some(segment) = segments.get(level) else {
                if node.route.is_some() {
                    return node.route.as_ref();
                }
                continue;
            };
            let parameter = node.parameter.as_ref().filter(|_| !segment.is_empty());
            let fixed = node.fixed.get(*segment);
            // The last is taken first.
            open.extend(parameter.map(|(_, child)| (*child, level + 1)));
            open.extend(fixed.map(|child| (*child, level + 1)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

    use super::*;

    #[test]
    fn targets_are_added_or_refused() {
        let rows = [
            ("", Err(RouteError::InvalidTarget)),
            ("user", Err(RouteError::InvalidTarget)),
            (":id", Err(RouteError::InvalidTarget)),
            ("/:", Err(RouteError::InvalidTarget)),
            ("/a/?b", Err(RouteError::InvalidTarget)),
            ("/:id/a/:id", Err(RouteError::DuplicateParameter)),
            ("/", Ok(())),
            ("/:id", Ok(())),
            ("/:name", Err(RouteError::DuplicateParameter)),
            ("/:name/a", Err(RouteError::DuplicateParameter)),
            ("/:id/a/:name", Ok(())),
            ("//:id///b//", Ok(())),
            ("/user/:name", Ok(())),
            ("/at/12:30", Ok(())),
        ];
        let mut router = Router::new();
        for method in Method::ALL {
            for (target, result) in rows {
                assert_eq!(router.insert(method.as_str(), target, ()), result, "{target}");
            }
        }
        assert_eq!(router.count(), 6 * Method::ALL.len());
        for method in ["", "HEAD", "OPTIONS", "GET "] {
            assert_eq!(router.insert(method, "/", ()), Err(RouteError::InvalidMethod));
        }
    }

    /// What a path leads to: the target of its route, and its parameters.
    fn look<'a>(router: &'a Router<&str>, path: &'a str) -> Option<String> {
        let route = router.find(Method::Get, path)?;
        let names = route.names.iter().zip(segments(path)?);
        let parameters =
            names.filter_map(|(name, text)| Some(format!(" {}={text}", name.as_ref()?)));
        Some(route.value.to_owned() + &parameters.collect::<String>())
    }

    fn router<'a>(targets: &[&'a str]) -> Router<&'a str> {
        let mut router = Router::new();
        for target in targets {
            router.insert("get", target, *target).unwrap();
        }
        router
    }

    #[test]
    fn paths_lead_to_routes() {
        let routes = router(&[
            "/",
            "/user",
            "/user/:id",
            "/user/:id/post/:1",
            "//:type//:what/",
            "/user/me",
            "/user/me/age/of",
            "/a/b/c",
            "/a/:id",
        ]);
        let rows = [
            ("/", Some("/")),
            ("//", Some("/")),
            ("/user", Some("/user")),
            ("/user/", Some("/user")),
            ("/User", None),
            ("/user/7", Some("/user/:id id=7")),
            ("/user/7/", Some("/user/:id id=7")),
            ("/user/中%20é:", Some("/user/:id id=中%20é:")),
            ("/user/me", Some("/user/me")),
            ("/user/7/post", None),
            ("/user/7/post/8", Some("/user/:id/post/:1 id=7 1=8")),
            ("/user/me/post/8", Some("/user/:id/post/:1 id=me 1=8")),
            ("/user/7/post/8/9", None),
            ("/user/7/posts/8", None),
            ("/user/me/age/of", Some("/user/me/age/of")),
            ("/a/b", Some("/a/:id id=b")),
            ("/a/b/c", Some("/a/b/c")),
            ("/news", None),
            ("/news/1", Some("//:type//:what/ type=news what=1")),
            ("/news/1/2", None),
            // Slashes are not collapsed here, and nothing is no parameter.
            ("//user", None),
            ("/user//", None),
            ("/user/7//", None),
            ("///", None),
            ("/news//", None),
            ("", None),
            ("user", None),
            ("*", None),
        ];
        for (path, wanted) in rows {
            assert_eq!(look(&routes, path).as_deref(), wanted, "{path}");
        }
        assert!(routes.find(Method::Put, "/").is_none());
        assert!(router(&[]).find(Method::Get, "/").is_none());
        assert!(router(&["/a"]).find(Method::Get, "/").is_none());
    }

    #[test]
    fn a_route_is_replaced() {
        assert_eq!(look(&router(&["/a/:b", "/a/:b/"]), "/a/1").as_deref(), Some("/a/:b/ b=1"));
    }

    /// Each level may go two ways, and no way leads to the end.
    #[test]
    fn hostile_paths_cost_no_more_than_the_routes() {
        let ways = 0..1_u32 << 12;
        let targets: Vec<_> = ways
            .map(|way| {
                let level = |level: u32| match way >> level & 1 {
                    0 => "/a".to_owned(),
                    _ => format!("/:{level}"),
                };
                (0..12).map(level).collect::<String>() + "/end"
            })
            .collect();
        let router = router(&targets.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(router.find(Method::Get, &("/a".repeat(12) + "/no")).is_none());
        assert!(router.find(Method::Get, &"/a".repeat(1 << 20)).is_none());
        assert!(router.find(Method::Get, &"/".repeat(1 << 20)).is_none());
        let long = "/a".repeat(11) + "/" + &"b".repeat(1 << 20);
        assert!(router.find(Method::Get, &(long.clone() + "/no")).is_none());
        assert!(router.find(Method::Get, &(long + "/end")).is_some());
    }

    /// Tries every route, and prefers those with text where others have a parameter, from the left.
    fn naive(targets: &[String], path: &str) -> Option<usize> {
        let path: Vec<_> = segments(path)?.collect();
        let found = targets.iter().enumerate().filter_map(|(place, target)| {
            let target: Vec<_> = target.split('/').filter(|text| !text.is_empty()).collect();
            let is_name = |text: &&str| text.starts_with(':');
            let names: Vec<_> = target.iter().map(is_name).collect();
            let is_found = target.len() == path.len()
                && target
                    .iter()
                    .zip(&path)
                    .all(|(text, is)| text == is || is_name(text) && !is.is_empty());
            // Of the same route, the last.
            is_found.then_some((names, std::cmp::Reverse(place)))
        });
        found.min().map(|(_, place)| place.0)
    }

    /// A target: parameters have the name that is theirs at this level.
    fn target() -> impl Strategy<Value = String> {
        vec(prop_oneof![Just("a"), Just("b"), Just("ab"), Just(":"), Just(":"), Just("")], 0..6)
            .prop_map(|segments| {
                let named = segments.iter().filter(|text| !text.is_empty()).enumerate().map(
                    |(level, text)| match *text {
                        ":" => format!("/:{level}"),
                        text => format!("//{text}"),
                    },
                );
                named.collect::<String>() + "/"
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn a_path_takes_the_route_that_a_naive_search_finds(
            targets in vec(target(), 0..30), paths in vec("(/(a|b|ab|c|)){0,6}/?", 1..20),
        ) {
            let mut router = Router::new();
            for (place, target) in targets.iter().enumerate() {
                router.insert("PUT", target, place).unwrap();
            }
            for path in paths {
                let found = router.find(Method::Put, &path).map(|route| route.value);
                prop_assert_eq!(found, naive(&targets, &path), "{}", path);
            }
        }

        #[test]
        fn any_target_and_path_can_be_looked_at(target in "[/:a?é]{0,12}", path in "[/:aé]{0,12}") {
            let mut router = Router::new();
            if router.insert("GET", &target, ()).is_ok() {
                prop_assert!(target.starts_with('/'));
                let _ = router.find(Method::Get, &path);
            }
        }
    }
}
