//! A Deployment with Whipstitch in its pod, as its own container or as a sidecar.

use serde_json::Value;

use crate::Result;

/// One Deployment of a manifest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pod<'a> {
    /// `spec.template.metadata.labels`
    pub(crate) labels: &'a Value,
    /// `spec.template.spec`
    pub(crate) spec: &'a Value,
    /// The container named `whipstitch`.
    pub(crate) container: &'a Value,
    /// Whether that is among `initContainers`.
    pub(crate) is_sidecar: bool,
}

impl<'a> Pod<'a> {
    /// The one in `documents`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(documents: &'a [Value]) -> Result<Self> {
        documents
            .iter()
            .filter(|one| text(one, "/kind") == "Deployment")
            .find_map(Self::of)
            .ok_or_else(|| "no Deployment has a container whipstitch".into())
    }

    fn of(deployment: &'a Value) -> Option<Self> {
        let labels = deployment.pointer("/spec/template/metadata/labels")?;
        let spec = deployment.pointer("/spec/template/spec")?;
        let named = |list: &str| {
            let mut all = list_at(spec, list);
            all.find(|one| text(one, "/name") == "whipstitch")
        };
        let sidecar = named("/initContainers");
        Some(Self {
            labels,
            spec,
            container: sidecar.or_else(|| named("/containers"))?,
            is_sidecar: sidecar.is_some(),
        })
    }

    /// A field of the container's security context, or of the pod's where the container has none.
    pub(crate) fn security(&self, field: &str) -> Option<&'a Value> {
        let path = format!("/securityContext{field}");
        let of = |value: &'a Value| value.pointer(&path);
        of(self.container).or_else(|| of(self.spec))
    }

    /// Whether `selector` (a map of labels) finds it.
    pub(crate) fn is_selected_by(&self, selector: Option<&Value>) -> bool {
        let Some(Value::Object(selector)) = selector else {
            return false;
        };
        let has = |(key, value): (&String, &Value)| self.labels.get(key) == Some(value);
        !selector.is_empty() && selector.iter().all(has)
    }

    /// The names of the container's ports.
    pub(crate) fn ports(&self) -> Vec<&'a str> {
        let ports = list_at(self.container, "/ports");
        ports.map(|port| text(port, "/name")).collect()
    }

    /// Where the container's volumes are mounted, each with the volume.
    pub(crate) fn mounts(&self) -> Vec<(&'a str, Option<&'a Value>)> {
        let volume = |name: &str| {
            let mut all = list_at(self.spec, "/volumes");
            all.find(|volume| text(volume, "/name") == name)
        };
        list_at(self.container, "/volumeMounts")
            .map(|mount| (text(mount, "/mountPath"), volume(text(mount, "/name"))))
            .collect()
    }
}

/// The text at `path` of `value`, empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    let found = value.pointer(path).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// The items at `path` of `value`, none if there is no list.
pub(crate) fn list_at<'a>(
    value: &'a Value,
    path: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let found = value.pointer(path).and_then(Value::as_array);
    found.into_iter().flatten()
}
