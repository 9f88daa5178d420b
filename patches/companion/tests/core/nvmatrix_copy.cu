// NVMatrix: copies between matrices, to and from the host, pinned memory and devices (companion-native 2.4, 2.7, 2.12).
#include <thread>

#include "views.h"

using check::Dense;
using check::Shape;
using check::Storage;
using check::Stored;
using check::random;

CASE(copy_between_all_storages) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& from : check::STORAGES) {
            for (const Storage& to : check::STORAGES) {
                const Dense values = random(shape.rows, shape.cols, 1);
                Stored a(values, from), b(Dense(shape.rows, shape.cols, check::NOT_A_NUMBER), to);
                a->copy(*b);
                CHECK(b->isTrans() == to.trans);
                CHECK_MATRIX(*b, values, 0);
                CHECK(b.borderIsIntact());
            }
        }
    }
}

CASE(copy_to_another_shape_adopts_the_flag) {
    const Dense values = random(4, 3, 2);
    Stored a(values, Storage{true, true});
    NVMatrix b(7, 7);
    a->copy(b);
    CHECK(b.isTrans());
    CHECK_MATRIX(b, values, 0);
    a->copy(*a);
    CHECK_MATRIX(*a, values, 0);
    NVMatrix empty;
    empty.copy(b);
    CHECK_EQUAL(b.getNumElements(), 0);
}

CASE(copy_of_a_rectangle) {
    for (const Storage& from : check::STORAGES) {
        for (const Storage& to : check::STORAGES) {
            const Dense source = random(6, 5, 3);
            Dense expected = random(9, 8, 4);
            Stored a(source, from), b(expected, to);
            a->copy(*b, 1, 4, 2, -1, 5, 3);
            for (int i = 1; i < 4; i++) {
                for (int j = 2; j < 5; j++) {
                    expected(i + 4, j + 1) = source(i, j);
                }
            }
            CHECK_MATRIX(*b, expected, 0);
            CHECK(b.borderIsIntact());
        }
    }
}

CASE(copy_from_host_takes_the_host_flag) {
    Matrix host(2, 3);
    host.setTrans(true);
    for (int e = 0; e < 6; e++) {
        host.getData()[e] = static_cast<float>(e);
    }
    NVMatrix same(2, 3, false), other;
    same.copyFromHost(host);
    other.copyFromHost(host, true);
    CHECK(same.isTrans() && other.isTrans());
    CHECK_EQUAL(other.getNumRows(), 2);
    Dense expected(2, 3);
    for (int e = 0; e < 6; e++) {
        expected(e % 2, e / 2) = e;
    }
    CHECK_MATRIX(same, expected, 0);
    CHECK_MATRIX(other, expected, 0);
}

CASE(copy_from_host_into_a_view_with_gaps_reorders) {
    for (bool hostTrans : {false, true}) {
        for (bool trans : {false, true}) {
            const Dense values = random(4, 6, 5);
            Matrix host(4, 6);
            host.setTrans(hostTrans);
            for (int i = 0; i < 4; i++) {
                for (int j = 0; j < 6; j++) {
                    host(i, j) = static_cast<float>(values(i, j));
                }
            }
            Stored a(Dense(4, 6, 0), Storage{trans, true});
            a->copyFromHost(host);
            CHECK(a->isTrans() == trans);
            CHECK_MATRIX(*a, values, 0);
            CHECK(a.borderIsIntact());
        }
    }
}

CASE(copy_to_host_writes_views_in_their_own_order) {
    for (const Storage& storage : check::STORAGES) {
        for (bool hostTrans : {false, true}) {
            const Dense values = random(5, 4, 6);
            Stored a(values, storage);
            Matrix memory(5, 4);
            memory.setTrans(hostTrans);
            std::unique_ptr<Matrix> turned(&memory.transpose());
            std::unique_ptr<Matrix> view(&turned->transpose());
            CHECK(view->isView());
            a->copyToHost(*view);
            CHECK(view->isTrans() == hostTrans);
            for (int i = 0; i < 5; i++) {
                for (int j = 0; j < 4; j++) {
                    CHECK_CLOSE(memory(i, j), values(i, j), 0);
                }
            }
        }
    }
}

CASE(copy_to_an_owning_host_matrix_adopts_the_flag) {
    const Dense values = random(5, 4, 7);
    Stored a(values, Storage{true, false});
    Matrix same(5, 4), other;
    a->copyToHost(same);
    a->copyToHost(other, true);
    CHECK(same.isTrans() && other.isTrans());
    CHECK_EQUAL(other.getNumCols(), 4L);
    CHECK_CLOSE(same(4, 1), values(4, 1), 0);
    CHECK_CLOSE(other(1, 3), values(1, 3), 0);
}

CASE(empty_matrices_travel) {
    NVMatrix a;
    Matrix host;
    a.copyToHost(host, true);
    CHECK_EQUAL(host.getNumElements(), 0L);
    a.copyFromHost(host, true);
    CHECK_EQUAL(a.getNumElements(), 0);
}

CASE(a_host_matrix_is_an_nvmatrix_in_pinned_memory) {
    const Dense values = random(6, 4, 8);
    Matrix batch(6, 4);
    batch.setTrans(true);
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 4; j++) {
            batch(i, j) = static_cast<float>(values(i, j));
        }
    }
    HostNVMatrix pinned;
    pinned.copyFromHost(batch, true);
    CHECK(pinned.isTrans());
    NVMatrix target;
    pinned.flipTrans(target);
    CHECK(!target.isTrans());
    CHECK_MATRIX(target, values, 0);

    HostNVMatrix out;
    target.copy(out);
    CHECK_MATRIX(out, values, 0);
    std::unique_ptr<NVMatrix> view(&out.getClone());
    CHECK(view->isView());
    CHECK_MATRIX(*view, values, 0);
}

CASE(add_reads_an_operand_in_pinned_memory) {
    const Dense a = random(3, 5, 9), b = random(3, 5, 10);
    HostNVMatrix pinned;
    std::unique_ptr<NVMatrix> source = check::device(b);
    source->copy(pinned);
    std::unique_ptr<NVMatrix> sum = check::device(a);
    sum->add(pinned, 2, 3);
    Dense expected(3, 5);
    for (size_t e = 0; e < expected.at.size(); e++) {
        expected.at[e] = 2 * a.at[e] + 3 * b.at[e];
    }
    CHECK_MATRIX(*sum, expected, 1e-6);
    NVMatrix fresh;
    fresh.add(pinned, 0, 1);
    CHECK_MATRIX(fresh, b, 0);
}

CASE(the_current_device_belongs_to_the_thread) {
    NVMatrix::setDeviceID(0);
    int inside = -1;
    std::thread other([&inside]() {
        inside = NVMatrix::getDeviceID();
        int count = 0;
        checkCudaErrors(cudaGetDeviceCount(&count));
        NVMatrix::setDeviceID(count - 1);
    });
    other.join();
    CHECK_EQUAL(inside, 0);
    CHECK_EQUAL(NVMatrix::getDeviceID(), 0);
    checkCudaErrors(cudaSetDevice(0));
    CHECK_EQUAL(NVMatrix::getDeviceID(), 0);
    CHECK(NVMatrix::canAccessDevice(0, 0));
}

CASE(matrices_cross_devices_and_are_freed_from_any) {
    int count = 0;
    checkCudaErrors(cudaGetDeviceCount(&count));
    const int last = count - 1;
    NVMatrix::setDeviceID(0);
    const Dense values = random(17, 9, 11);
    std::unique_ptr<NVMatrix> source = check::device(values, true);
    NVMatrix::setDeviceID(last);
    NVMatrix target;
    source->copy(target);
    CHECK_MATRIX(target, values, 0);
    source->truncate();
    CHECK_EQUAL(source->getNumElements(), 0);
    source.reset();
    NVMatrix::setDeviceID(0);
    CHECK(NVMatrix::canAccessDevice(last, last));
}

// The manager thread does this with the matrices of all devices (2.4).
CASE(host_copies_reach_a_device_that_is_not_current) {
    int count = 0;
    checkCudaErrors(cudaGetDeviceCount(&count));
    const int last = count - 1;
    const Dense values = random(12, 7, 17);
    for (const Storage& storage : check::STORAGES) {
        NVMatrix::setDeviceID(last);
        Stored there(Dense(12, 7, check::NOT_A_NUMBER), storage);
        NVMatrix::setDeviceID(0);
        Matrix host(12, 7);
        for (int e = 0; e < 84; e++) {
            host.getData()[e] = static_cast<float>(values.at[e]);
        }
        there->copyFromHost(host);
        CHECK_EQUAL(NVMatrix::getDeviceID(), 0);
        CHECK_MATRIX(*there, values, 0);
        CHECK_EQUAL(NVMatrix::getDeviceID(), 0);
    }
}

CASE(add_reads_an_operand_on_another_device) {
    int count = 0;
    checkCudaErrors(cudaGetDeviceCount(&count));
    NVMatrix::setDeviceID(count - 1);
    const Dense a = random(6, 70, 15), b = random(6, 70, 16);
    for (const Storage& storage : check::STORAGES) {
        Stored foreign(b, storage);
        NVMatrix::setDeviceID(0);
        std::unique_ptr<NVMatrix> sum = check::device(a);
        NVMatrix first, scaled;
        sum->add(*foreign, 1, 3);
        first.add(*foreign, 0, 1);
        scaled.add(*foreign, 0, 2);
        Dense expected = a, twice = b;
        for (size_t e = 0; e < a.at.size(); e++) {
            expected.at[e] += 3 * b.at[e];
            twice.at[e] *= 2;
        }
        CHECK_MATRIX(*sum, expected, 1e-6);
        CHECK_MATRIX(first, b, 0);
        CHECK_MATRIX(scaled, twice, 1e-6);
        NVMatrix::setDeviceID(count - 1);
    }
    NVMatrix::setDeviceID(0);
}

CASE(set_up_calls_are_idempotent) {
    NVMatrix::initCublas();
    NVMatrix::initCublas();
    NVMatrix::initRandom();
    NVMatrix::initRandom();
    NVMatrix a(3, 4), b(4, 2), product;
    a.apply(NVMatrixOps::Zero());
    b.apply(NVMatrixOps::Zero());
    product.addProduct(a, b, 0, 1);
    CHECK_CLOSE(product.sum(), 0, 0);
}

CASE(devices_work_at_the_same_time) {
    int count = 0;
    checkCudaErrors(cudaGetDeviceCount(&count));
    const int devices = std::min(count, 4), rounds = 20;
    const Dense a = random(31, 17, 13), b = random(17, 23, 14);
    Dense expected(31, 23);
    for (int i = 0; i < 31; i++) {
        for (int j = 0; j < 23; j++) {
            for (int l = 0; l < 17; l++) {
                expected(i, j) += a(i, l) * b(l, j);
            }
        }
    }
    std::vector<std::unique_ptr<NVMatrix>> products(devices);
    std::vector<std::thread> threads;
    for (int device = 0; device < devices; device++) {
        threads.emplace_back([&, device]() {
            NVMatrix::setDeviceID(device);
            NVMatrix::initCublas();
            NVMatrix::initRandom();
            std::unique_ptr<NVMatrix> left = check::device(a), right = check::device(b, true);
            products[device].reset(new NVMatrix());
            for (int round = 0; round < rounds; round++) {
                NVMatrix noise(9, 9);
                noise.randomizeUniform();
                products[device]->addProduct(*left, *right, round > 0, 1);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (double& one : expected.at) {
        one *= rounds;
    }
    for (int device = 0; device < devices; device++) {
        NVMatrix::setDeviceID(device);
        CHECK_MATRIX(*products[device], expected, 1e-5);
    }
}

CASE(print_goes_to_standard_output) {
    Stored a(random(2, 2, 12), Storage{false, false});
    fflush(stdout);
    FILE* const kept = stdout;
    char* text = nullptr;
    size_t length = 0;
    stdout = open_memstream(&text, &length);
    a->print(2, 2);
    a->print(0, 1, 0, 2);
    fclose(stdout);
    stdout = kept;
    int lines = 0;
    for (size_t i = 0; i < length; i++) {
        lines += text[i] == '\n';
    }
    free(text);
    CHECK_EQUAL(lines, 3);
}

TEST_MAIN
