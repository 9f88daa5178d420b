// Queue, Thread and ThreadSynchronizer under load (companion-native 5.3 to 5.5). Also run with ThreadSanitizer.
#include <matrix.h>
#include <queue.h>
#include <sync.h>
#include <thread.h>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <functional>
#include <memory>

#include "check.h"

namespace {

// A thread that does what it is given; run() is protected, as in the release.
class Worker : public Thread {
public:
    Worker(bool joinable, std::function<void()> work) : Thread(joinable), _work(work) {}
    Worker(bool joinable, std::vector<int>& cpus, std::function<void()> work) : Thread(joinable, cpus), _work(work) {}

protected:
    void* run() override {
        _work();
        return nullptr;
    }

private:
    std::function<void()> _work;
};

typedef std::vector<std::unique_ptr<Worker>> Workers;

void startAll(Workers& workers) {
    for (auto& worker : workers) {
        worker->start();
    }
}

void joinAll(Workers& workers) {
    for (auto& worker : workers) {
        worker->join();
    }
}

}  // namespace

CASE(a_queue_keeps_the_order) {
    Queue<int> queue;
    for (int i = 0; i < 1000; i++) {
        queue.enqueue(i);
    }
    bool ordered = true;
    for (int i = 0; i < 1000; i++) {
        ordered = queue.dequeue() == i && ordered;
    }
    CHECK(ordered);
}

CASE(dequeue_waits_for_an_element) {
    Queue<int*> queue;
    std::atomic<bool> given(false);
    int value = 5;
    Worker giver(true, [&]() {
        usleep(20000);
        given = true;
        queue.enqueue(&value);
    });
    giver.start();
    CHECK_EQUAL(*queue.dequeue(), 5);
    CHECK(given.load());
    giver.join();
}

CASE(many_givers_and_takers_lose_nothing) {
    const int givers = 4, takers = 3, each = 3000;
    Queue<int> queue;
    std::atomic<long> sum(0), taken(0);
    std::atomic<int> disorder(0);
    Workers workers;
    for (int g = 0; g < givers; g++) {
        workers.emplace_back(new Worker(true, [&queue, g]() {
            for (int i = 1; i <= each; i++) {
                queue.enqueue(g * each + i);
            }
        }));
    }
    for (int t = 0; t < takers; t++) {
        workers.emplace_back(new Worker(true, [&]() {
            int last[givers] = {0};
            for (int element = queue.dequeue(); element > 0; element = queue.dequeue()) {
                const int giver = (element - 1) / each;
                disorder += element <= last[giver];
                last[giver] = element;
                sum += element;
                taken++;
            }
        }));
    }
    startAll(workers);
    for (int g = 0; g < givers; g++) {
        workers[g]->join();
    }
    for (int t = 0; t < takers; t++) {
        queue.enqueue(0);
    }
    for (int t = 0; t < takers; t++) {
        workers[givers + t]->join();
    }
    const long n = static_cast<long>(givers) * each;
    CHECK_EQUAL(taken.load(), n);
    CHECK_EQUAL(sum.load(), n * (n + 1) / 2);
    CHECK_EQUAL(disorder.load(), 0);
}

CASE(a_synchronizer_holds_everyone_back_in_every_round) {
    const int count = 5, rounds = 2000;
    ThreadSynchronizer synchronizer(count);
    int arrivals[count] = {0};
    std::atomic<int> early(0);
    Workers workers;
    for (int w = 0; w < count; w++) {
        workers.emplace_back(new Worker(true, [&, w]() {
            for (int round = 1; round <= rounds; round++) {
                arrivals[w] = round;
                synchronizer.sync();
                for (int other = 0; other < count; other++) {
                    early += arrivals[other] != round;
                }
                synchronizer.sync();
            }
        }));
    }
    startAll(workers);
    joinAll(workers);
    CHECK_EQUAL(early.load(), 0);
}

CASE(a_synchronizer_for_one_never_waits) {
    ThreadSynchronizer alone(1);
    for (int i = 0; i < 100; i++) {
        alone.sync();
    }
    CHECK(true);
}

CASE(threads_are_deleted_through_the_base) {
    std::atomic<int> runs(0);
    std::vector<Thread*> threads;
    for (int i = 0; i < 4; i++) {
        threads.push_back(new Worker(true, [&runs]() { runs++; }));
        threads.back()->start();
    }
    for (Thread* thread : threads) {
        thread->join();
        delete thread;
    }
    CHECK_EQUAL(runs.load(), 4);
}

CASE(a_detached_thread_runs_on) {
    Queue<int> done;
    // Nobody can tell when such a thread has ended, so its object lives as long as the program.
    static Worker* const worker = new Worker(false, [&done]() { done.enqueue(1); });
    worker->start();
    CHECK_EQUAL(done.dequeue(), 1);
}

CASE(a_thread_is_bound_to_the_cpus_that_exist) {
    cpu_set_t allowed;
    CHECK_EQUAL(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    int first = 0;
    while (!CPU_ISSET(first, &allowed)) {
        first++;
    }
    std::vector<int> some = {first, 1000, 100000}, none, any = {-1, first}, absent = {100000};
    const std::vector<std::vector<int>*> lists = {&some, &none, &any, &absent};
    for (std::vector<int>* cpus : lists) {
        cpu_set_t found;
        CPU_ZERO(&found);
        Worker worker(true, *cpus, [&found]() { sched_getaffinity(0, sizeof(found), &found); });
        worker.start();
        worker.join();
        CHECK_EQUAL(CPU_COUNT(&found), cpus == &some ? 1 : CPU_COUNT(&allowed));
        CHECK(CPU_ISSET(first, &found));
    }
}

CASE(starting_twice_ends_the_program) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == nullptr) {
            _exit(99);
        }
        Worker worker(false, []() {});
        worker.start();
        worker.start();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), EXIT_FAILURE);
}

TEST_MAIN
