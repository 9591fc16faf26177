//! The roles of a node group, and the capabilities of each.

/// The role of a node, by the names that Red5's own examples of node groups use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Takes publishers, serves players and transcodes: the default.
    #[default]
    AllInOne,
    /// Takes publishers.
    Origin,
    /// Serves players.
    Edge,
    /// Takes publishers of provisioned streams and makes their variants.
    Transcoder,
}

/// What a lookup requires of a node (Stream Manager 2.0, `NodeGroupConfig`, `capabilities`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    Publish,
    Subscribe,
    Transcode,
}

impl Role {
    /// As Stream Manager 2.0 writes it.
    pub(crate) fn as_str_2_0(self) -> &'static str {
        match self {
            Self::AllInOne => "allinone",
            Self::Origin => "origin",
            Self::Edge => "edge",
            Self::Transcoder => "transcoder",
        }
    }

    /// As the REST API 4.0 writes it, which has no role for a node that does everything.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AllInOne | Self::Origin => "origin",
            Self::Edge => "edge",
            Self::Transcoder => "transcoder",
        }
    }

    pub(crate) fn can(self, capability: Capability) -> bool {
        match self {
            Self::AllInOne => true,
            Self::Origin => capability == Capability::Publish,
            Self::Edge => capability == Capability::Subscribe,
            Self::Transcoder => capability == Capability::Transcode,
        }
    }
}
