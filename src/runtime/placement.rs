//! The provider that each node was placed on, and the memory that inputs are read from. ONNX Runtime reports it through
//! its C interface only, so this small file is unsafe code.

use std::ffi::{CStr, c_char};
use std::ptr;

use ort::AsPointer;
use ort::sys::{
    OrtEpAssignedNode, OrtEpAssignedSubgraph, OrtMemoryInfo, OrtMemoryInfoDeviceType, OrtStatusPtr,
};

use super::Error;

/// A node of the optimized graph and the provider that it was placed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlacement {
    /// The node's name; ONNX Runtime names fused nodes.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// ONNX Runtime's name of the provider, for example `CUDAExecutionProvider`.
    pub provider: String,
}

/// Every node of a session that was opened with [`super::SessionOptions::record_placement`].
pub(super) fn of_session(session: &ort::session::Session) -> Result<Vec<NodePlacement>, Error> {
    let api = ort::api();
    let mut subgraphs: *const *const OrtEpAssignedSubgraph = ptr::null();
    let mut count = 0;
    // SAFETY: the session outlives the call and owns what the pointers lead to. The list is null only
    // when its length is 0, which `list` allows.
    unsafe {
        check((api.Session_GetEpGraphAssignmentInfo)(
            session.ptr(),
            &mut subgraphs,
            &mut count,
        ))?;
    }
    let mut all = Vec::new();
    for &subgraph in list(&subgraphs, count) {
        let provider = text(|out| unsafe { (api.EpAssignedSubgraph_GetEpName)(subgraph, out) })?;
        let mut nodes: *const *const OrtEpAssignedNode = ptr::null();
        let mut count = 0;
        // SAFETY: as above; the subgraph belongs to the session.
        unsafe {
            check((api.EpAssignedSubgraph_GetNodes)(
                subgraph, &mut nodes, &mut count,
            ))?;
        }
        for &node in list(&nodes, count) {
            all.push(NodePlacement {
                node: text(|out| unsafe { (api.EpAssignedNode_GetName)(node, out) })?,
                operator: text(|out| unsafe { (api.EpAssignedNode_GetOperatorType)(node, out) })?,
                provider: provider.clone(),
            });
        }
    }
    Ok(all)
}

/// Per input of a session: whether the nodes that read it do so on the host.
pub(super) fn inputs_on_host(session: &ort::session::Session) -> Result<Vec<bool>, Error> {
    let api = ort::api();
    let mut places: Vec<*const OrtMemoryInfo> = vec![ptr::null(); session.inputs().len()];
    // SAFETY: the list has room for one entry per input; the entries belong to the session.
    unsafe {
        check((api.SessionGetMemoryInfoForInputs)(
            session.ptr(),
            places.as_mut_ptr(),
            places.len(),
        ))?;
    }
    let on_host = |&place: &*const OrtMemoryInfo| {
        let mut kind = OrtMemoryInfoDeviceType::OrtMemoryInfoDeviceType_CPU;
        if !place.is_null() {
            // SAFETY: the entry belongs to the session, which is alive.
            unsafe { (api.MemoryInfoGetDeviceType)(place, &mut kind) };
        }
        kind == OrtMemoryInfoDeviceType::OrtMemoryInfoDeviceType_CPU
    };
    Ok(places.iter().map(on_host).collect())
}

/// A C list of `count` items as a slice that lives no longer than the variable that holds the pointer.
fn list<T>(first: &*const T, count: usize) -> &[T] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: ONNX Runtime promises `count` items behind the pointer, alive as long as the session.
    unsafe { std::slice::from_raw_parts(*first, count) }
}

/// A string that a getter returns.
fn text(get: impl FnOnce(*mut *const c_char) -> OrtStatusPtr) -> Result<String, Error> {
    let mut out: *const c_char = ptr::null();
    check(get(&mut out))?;
    if out.is_null() {
        return Ok(String::new());
    }
    // SAFETY: a string that ends in NUL and belongs to the session.
    Ok(unsafe { CStr::from_ptr(out) }
        .to_string_lossy()
        .into_owned())
}

fn check(status: OrtStatusPtr) -> Result<(), Error> {
    // SAFETY: the status comes straight from a call of the same interface and is handed over.
    unsafe { ort::Error::result_from_status(status) }.map_err(Error::run)
}
