//! Registers the provider of a device with a session that is being built.

use ort::ep::{self, ArenaExtendStrategy, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;

use super::{Device, Error, Library, SessionOptions, nvidia};
use crate::variables;

/// Whether ascents may use TF32 (10 bits of mantissa for the factors of products) on NVIDIA GPUs.
pub fn is_tf32_allowed() -> bool {
    variables::switch(variables::TF32).unwrap_or(false)
}

impl Device {
    /// Registers the provider of this device with a session that is being built.
    pub(super) fn register(
        self,
        library: &'static Library,
        builder: SessionBuilder,
        options: &SessionOptions,
    ) -> Result<SessionBuilder, Error> {
        let cannot = |why| Error::Provider { device: self, why };
        let cpu = || ep::CPU::default().with_arena_allocator(true).build();
        match self {
            Self::Cpu => append(builder, &[cpu()]),
            Self::Cuda(number) => {
                nvidia_is_ready(library, number).map_err(cannot)?;
                append(
                    builder,
                    &[cuda(number, options, options.graph_capture), cpu()],
                )
            }
            Self::TensorRt(number) => {
                nvidia_is_ready(library, number).map_err(cannot)?;
                if !ep::TensorRT::is_available().unwrap_or(false) {
                    return Err(cannot("this ONNX Runtime is built without TensorRT".into()));
                }
                library.tensorrt_libraries();
                let tensorrt = ep::TensorRT::default()
                    .with_device_id(signed(number))
                    .build();
                append(builder, &[tensorrt, cuda(number, options, false), cpu()])
            }
            Self::Plugin(plugin) => {
                let registered = plugin.register(library, builder, options.graph_capture);
                return registered.map_err(cannot);
            }
        }
        .map_err(|message| cannot(self.explain(&message)))
    }
}

/// CUDA's options: the arena grows by what is needed and no more, as others may use the same GPU.
fn cuda(number: u32, options: &SessionOptions, graph_capture: bool) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(signed(number))
        .with_tf32(options.tf32)
        .with_cuda_graph(graph_capture)
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .build()
}

/// A device number is far below 2^31; one that is not cannot exist, and -1 makes ONNX Runtime say so.
fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(-1)
}

fn append(
    mut builder: SessionBuilder,
    providers: &[ExecutionProviderDispatch],
) -> Result<SessionBuilder, String> {
    // The CPU is registered too: ONNX Runtime may choose a provider of its own for a session without any.
    for provider in providers {
        provider
            .register(&mut builder)
            .map_err(|error| error.to_string())?;
    }
    Ok(builder)
}

/// Checks that driver, GPU and build fit together, and loads NVIDIA's libraries where they are found.
fn nvidia_is_ready(library: &'static Library, number: u32) -> Result<(), String> {
    let built = library.built_for_cuda()?;
    let driver = nvidia::driver()?;
    if let Some(why) = nvidia::refusal(driver, built, number) {
        return Err(why);
    }
    library.nvidia_libraries();
    Ok(())
}
