/* A libnvidia-ml.so.1 for tests: GPUs that are not there, every argument checked as nvml.h states it. */
#include "stub.h"

enum { UNINITIALIZED = 1, INVALID_ARGUMENT = 2, INSUFFICIENT_SIZE = 7 };

struct device {
    unsigned index;
};
struct memory {
    unsigned long long total, free, used;
};

static struct device devices[64];
static int users;

EXPORT int stub_live(void)
{
    return users;
}

EXPORT int stub_reset(void)
{
    stub_calls = 0;
    users = 0;
    return 0;
}

static int text(char *into, unsigned length, const char *value)
{
    CHECK(users > 0, UNINITIALIZED);
    CHECK(into, INVALID_ARGUMENT);
    CHECK(strlen(value) < length, INSUFFICIENT_SIZE);
    strcpy(into, value);
    return 0;
}

static int known(const struct device *device)
{
    return device >= devices && device < devices + stub_gpus() && device == &devices[device->index];
}

EXPORT int nvmlInit_v2(void)
{
    FAIL_IF_ASKED();
    users++;
    return 0;
}

EXPORT int nvmlShutdown(void)
{
    CHECK(users > 0, UNINITIALIZED);
    users--;
    FAIL_IF_ASKED();
    return 0;
}

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    FAIL_IF_ASKED();
    return text(version, length, "580.65.06");
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    FAIL_IF_ASKED();
    CHECK(version, INVALID_ARGUMENT);
    *version = 13000;
    return 0;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    FAIL_IF_ASKED();
    CHECK(users > 0, UNINITIALIZED);
    CHECK(count, INVALID_ARGUMENT);
    *count = (unsigned)stub_gpus();
    return 0;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device)
{
    FAIL_IF_ASKED();
    CHECK(users > 0, UNINITIALIZED);
    CHECK(device && index < (unsigned)stub_gpus(), INVALID_ARGUMENT);
    devices[index].index = index;
    *device = &devices[index];
    return 0;
}

EXPORT int nvmlDeviceGetName(const struct device *device, char *name, unsigned length)
{
    FAIL_IF_ASKED();
    CHECK(known(device), INVALID_ARGUMENT);
    char value[64];
    snprintf(value, sizeof value, "Stub GPU %u", device->index);
    return text(name, length, value);
}

EXPORT int nvmlDeviceGetUUID(const struct device *device, char *uuid, unsigned length)
{
    FAIL_IF_ASKED();
    CHECK(known(device), INVALID_ARGUMENT);
    char value[64];
    snprintf(value, sizeof value, "GPU-c0ffee00-1234-5678-9abc-0000000000%02x", device->index);
    return text(uuid, length, value);
}

EXPORT int nvmlDeviceGetMemoryInfo(const struct device *device, struct memory *memory)
{
    FAIL_IF_ASKED();
    CHECK(users > 0, UNINITIALIZED);
    CHECK(known(device) && memory, INVALID_ARGUMENT);
    memory->total = (24ULL << 30) + device->index * (1ULL << 20);
    memory->used = 1ULL << 30;
    memory->free = memory->total - memory->used;
    return 0;
}
