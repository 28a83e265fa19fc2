// A machine with an NVIDIA GPU made of stubs. Each library is this file, compiled with one of the macros below.
#include <string.h>

#ifdef DRIVER
// libcuda.so.1 and libnvidia-ml.so.1: one GPU. CUDA, INIT and MAJOR: its CUDA version, the error of cuInit, the GPU's compute
// capability.
int cuDriverGetVersion(int *version) { *version = CUDA; return 0; }
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "NVIDIA Stub", size); return 0; }
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) { memset(uuid, 1, 16); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? MAJOR : 0; return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned size) { strncpy(version, RELEASE, size); return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) { *device = (void *)1; return 0; }
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *memory) {
  memory[0] = 80ull << 30;
  memory[1] = 70ull << 30;
  memory[2] = 10ull << 30;
  return 0;
}
#endif

#ifdef RUNTIME
// libonnxruntime.so: the CPU build (REAL) that lists CUDA as well. Registering CUDA loads NVIDIA's libraries by their names,
// as the real provider does, and fails with its words; then nodes run on the CPU. SIZE and the AT_… macros describe OrtApi.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
typedef struct {
  const void *(*api)(unsigned version);
  const char *(*version)(void);
} Base;
typedef void *(*CreateStatus)(int code, const char *message);
static char table[SIZE];
static char *names[] = {"CUDAExecutionProvider", "CPUExecutionProvider"};

static void *get_providers(char ***out, int *count) { *out = names; *count = 2; return NULL; }
static void *release_providers(char **list, int count) { return NULL; }
static void *create_options(void **out) { *out = malloc(1); return NULL; }
static void *update_options(void *options, const char *const *keys, const char *const *values, size_t count) { return NULL; }
static void release_options(void *options) { free(options); }
static void *append(void *session, const void *options) {
  static const char *needed[] = {"libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libnvrtc.so.13", "libcurand.so.10", "libcudnn.so.9"};
  char message[1024];
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    if (dlopen(needed[i], RTLD_NOW | RTLD_LOCAL)) continue;
    snprintf(message, sizeof message, "Failed to load library libonnxruntime_providers_cuda.so with error: %s", dlerror());
    return (*(CreateStatus *)(table + AT_CREATE_STATUS))(1, message);
  }
  return NULL;
}

static const Base *real(void) {
  void *library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
  return ((const Base *(*)(void))dlsym(library, "OrtGetApiBase"))();
}
static const void *get_api(unsigned version) {
  memcpy(table, real()->api(version), SIZE);
  *(void **)(table + AT_GET_PROVIDERS) = (void *)get_providers;
  *(void **)(table + AT_RELEASE_PROVIDERS) = (void *)release_providers;
  *(void **)(table + AT_CREATE_OPTIONS) = (void *)create_options;
  *(void **)(table + AT_UPDATE_OPTIONS) = (void *)update_options;
  *(void **)(table + AT_RELEASE_OPTIONS) = (void *)release_options;
  *(void **)(table + AT_APPEND) = (void *)append;
  return table;
}
static const char *get_version(void) { return "1.31.1"; }
const Base *OrtGetApiBase(void) {
  static const Base base = {get_api, get_version};
  return &base;
}
#endif
