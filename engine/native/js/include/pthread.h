/*
 * QuickJS guards shared state for runtimes on several threads. Here is one thread, so nothing has to be done;
 * waiting is reached only from Atomics.wait, which throws in this engine, since a turn must not block.
 */
#pragma once
#include <time.h>

typedef int pthread_mutex_t;
typedef int pthread_cond_t;
#define PTHREAD_MUTEX_INITIALIZER 0
#define pthread_mutex_lock(mutex) ((void)(mutex))
#define pthread_mutex_unlock(mutex) ((void)(mutex))
#define pthread_cond_init(cond, attributes) ((void)(cond))
#define pthread_cond_destroy(cond) ((void)(cond))
#define pthread_cond_signal(cond) ((void)(cond))
#define pthread_cond_wait(cond, mutex) ((void)(cond))
#define pthread_cond_timedwait(cond, mutex, until) ((void)(cond), 0)
