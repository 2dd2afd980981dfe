//! A topological order that is kept up to date while edges come and go (Pearce
//! & Kelly, ACM JEA 2006).

/// Edges are numbered in the order in which they were added, and removed in
/// the opposite one.
pub(super) struct Topological {
    edges: Vec<(u32, u32)>,
    /// By node: the numbers of the edges that leave and enter it.
    out: Vec<Vec<u32>>,
    into: Vec<Vec<u32>>,
    /// By node: its place.
    place: Vec<u32>,
    /// When a search met a node last, and by which edge.
    met: Vec<(u32, u32)>,
    search: u32,
    /// How many nodes searches looked at: the measure of work.
    pub(super) steps: u64,
}

const NONE: u32 = u32::MAX;

/// An edge closes a circle: the numbers of the edges on the way back.
pub(super) struct Circle(pub(super) Vec<u32>);

impl Topological {
    /// Orders nodes by `priority` as far as `edges` allow; none if they are
    /// circular.
    pub(super) fn new(edges: &[(u32, u32)], priority: &[u64]) -> Option<Self> {
        let nodes = priority.len();
        let mut topological = Self {
            edges: Vec::with_capacity(edges.len()),
            out: vec![Vec::new(); nodes],
            into: vec![Vec::new(); nodes],
            place: vec![0; nodes],
            met: vec![(0, NONE); nodes],
            search: 0,
            steps: 0,
        };
        let mut missing = vec![0_u32; nodes];
        for &(from, to) in edges {
            topological.link(from, to);
            missing[to as usize] += 1;
        }
        let entry = |node: u32| std::cmp::Reverse((priority[node as usize], node));
        let all = 0..u32::try_from(nodes).expect("< 2^31 transactions");
        let mut ready: std::collections::BinaryHeap<_> =
            all.filter(|node| missing[*node as usize] == 0).map(entry).collect();
        let mut next = 0;
        while let Some(std::cmp::Reverse((_, node))) = ready.pop() {
            topological.place[node as usize] = next;
            next += 1;
            for &edge in &topological.out[node as usize] {
                let to = topological.edges[edge as usize].1;
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 {
                    ready.push(entry(to));
                }
            }
        }
        (next as usize == nodes).then_some(topological)
    }

    pub(super) fn place(&self, node: u32) -> u32 {
        self.place[node as usize]
    }

    pub(super) const fn len(&self) -> usize {
        self.edges.len()
    }

    pub(super) fn edge(&self, number: u32) -> (u32, u32) {
        self.edges[number as usize]
    }

    fn link(&mut self, from: u32, to: u32) {
        let number = u32::try_from(self.edges.len()).expect("< 2^32 dependencies");
        self.edges.push((from, to));
        self.out[from as usize].push(number);
        self.into[to as usize].push(number);
    }

    /// Removes the last edges until `length` are left. The order stays right.
    pub(super) fn truncate(&mut self, length: usize) {
        while self.edges.len() > length
            && let Some((from, to)) = self.edges.pop()
        {
            self.out[from as usize].pop();
            self.into[to as usize].pop();
        }
    }

    /// The edges on a way from one node to another, if there is one.
    pub(super) fn path(&mut self, from: u32, to: u32) -> Option<Vec<u32>> {
        if self.place(from) >= self.place(to) {
            return None;
        }
        let reached = self.forward(from, self.place(to), Some(to));
        if reached.last() != Some(&to) {
            return None;
        }
        let mut path = Vec::new();
        let mut at = to;
        while at != from {
            let edge = self.met[at as usize].1;
            path.push(edge);
            at = self.edges[edge as usize].0;
        }
        Some(path)
    }

    /// Adds an edge; the nodes that moved are added to `moved`.
    pub(super) fn add(&mut self, from: u32, to: u32, moved: &mut Vec<u32>) -> Result<(), Circle> {
        let (low, high) = (self.place(to), self.place(from));
        if from == to {
            return Err(Circle(Vec::new()));
        }
        if high > low {
            if let Some(back) = self.path(to, from) {
                return Err(Circle(back));
            }
            let mut after = self.forward(to, high, None);
            let mut before = self.backward(from, low);
            let by_place = |node: &u32| self.place[*node as usize];
            after.sort_unstable_by_key(by_place);
            before.sort_unstable_by_key(by_place);
            let mut places: Vec<u32> = before.iter().chain(&after).map(by_place).collect();
            places.sort_unstable();
            for (&node, place) in before.iter().chain(&after).zip(places) {
                self.place[node as usize] = place;
                moved.push(node);
            }
        }
        self.link(from, to);
        Ok(())
    }

    /// What is reached up to a place, in the order of the search, which ends at
    /// `until`.
    fn forward(&mut self, from: u32, last: u32, until: Option<u32>) -> Vec<u32> {
        self.search += 1;
        self.met[from as usize] = (self.search, NONE);
        let mut reached = vec![from];
        let mut next = 0;
        while let Some(&node) = reached.get(next) {
            next += 1;
            for &edge in &self.out[node as usize] {
                self.steps += 1;
                let to = self.edges[edge as usize].1;
                if self.met[to as usize].0 == self.search || self.place[to as usize] > last {
                    continue;
                }
                self.met[to as usize] = (self.search, edge);
                reached.push(to);
                if Some(to) == until {
                    return reached;
                }
            }
        }
        reached
    }

    /// What reaches a node, down to a place.
    fn backward(&mut self, to: u32, first: u32) -> Vec<u32> {
        self.search += 1;
        self.met[to as usize] = (self.search, NONE);
        let mut reached = vec![to];
        let mut next = 0;
        while let Some(&node) = reached.get(next) {
            next += 1;
            for &edge in &self.into[node as usize] {
                self.steps += 1;
                let from = self.edges[edge as usize].0;
                if self.met[from as usize].0 != self.search && self.place[from as usize] >= first {
                    self.met[from as usize] = (self.search, edge);
                    reached.push(from);
                }
            }
        }
        reached
    }
}
