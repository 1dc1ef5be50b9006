#!/usr/bin/env python3
"""Speed of networks of images on random weights in torch, onnxruntime and OpenVINO, for Benchmarks/README.md.

    images.py [--models resnet50,vgg16,vit_base_patch16_224] [--batches 1,32] [--threads 2] [--engines A,B] [--cache DIR]

Each engine runs in a process of its own, so that the peak of memory is its own. A line is JSON: images a second by the
median of the passes, milliseconds of processor an image, and the peak of resident memory in MiB (loading included).
Engines whose name ends with -int8 run a model quantised by onnxruntime (static, QDQ, an INT8 scale a channel).
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

ENGINES = [
    "torch", "torch-bf16", "torch-compiled", "onnxruntime", "onnxruntime-int8", "openvino", "openvino-bf16",
    "openvino-int8"]


def make_model(name):
    import timm
    import torch
    torch.manual_seed(1)
    return timm.create_model(name).eval()


def onnx_path(cache, name):
    path = os.path.join(cache, name + ".onnx")
    if not os.path.exists(path):
        import torch
        torch.onnx.export(
            make_model(name), (torch.randn(1, 3, 224, 224),), path, input_names=["x"],
            dynamic_axes={"x": {0: "batch"}}, dynamo=False)
    return path


def int8_path(cache, name):
    path = os.path.join(cache, name + ".int8.onnx")
    if os.path.exists(path):
        return path
    import numpy
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference

    class Images(quantization.CalibrationDataReader):
        def __init__(self):
            random = numpy.random.default_rng(1)
            self.images = iter([{"x": random.standard_normal((1, 3, 224, 224), numpy.float32)} for _ in range(4)])

        def get_next(self):
            return next(self.images, None)

    prepared = path + ".prepared"
    shape_inference.quant_pre_process(onnx_path(cache, name), prepared)
    quantization.quantize_static(
        prepared, path, Images(), per_channel=True, activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8)
    os.remove(prepared)
    return path


def runner(engine, name, batch, threads, cache):
    """A function that runs one pass."""
    import numpy
    images = numpy.random.default_rng(2).standard_normal((batch, 3, 224, 224), numpy.float32)
    if engine.startswith("torch"):
        import torch
        torch.set_num_threads(threads)
        model = make_model(name)
        x = torch.from_numpy(images)
        if engine == "torch-bf16":
            model, x = model.to(torch.bfloat16), x.to(torch.bfloat16)
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        if engine == "torch-compiled":
            model = torch.compile(model)

        def run():
            with torch.inference_mode():
                model(x)
        return run
    path = int8_path(cache, name) if engine.endswith("-int8") else onnx_path(cache, name)
    if engine.startswith("onnxruntime"):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"x": images})
    import openvino
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if engine == "openvino-bf16":
        settings["INFERENCE_PRECISION_HINT"] = "bf16"
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([batch, 3, 224, 224])
    compiled = core.compile_model(model, "CPU", settings)
    return lambda: compiled(images)


def measure(engine, name, batch, threads, cache, seconds):
    run = runner(engine, name, batch, threads, cache)
    for _ in range(2):
        run()
    times, used, start = [], time.process_time(), time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < seconds and len(times) < 50):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    used = time.process_time() - used
    median = sorted(times)[len(times) // 2]
    print(json.dumps({
        "engine": engine, "model": name, "batch": batch, "threads": threads,
        "images_per_second": round(batch / median, 2), "best": round(batch / min(times), 2),
        "processor_ms_per_image": round(1000 * used / len(times) / batch, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="resnet50,vgg16,vit_base_patch16_224")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/infer-bench/onnx"))
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--here", action="store_true", help="measure in this process: one engine, model and batch")
    arguments = parser.parse_args()
    os.makedirs(arguments.cache, exist_ok=True)
    if arguments.here:
        measure(
            arguments.engines, arguments.models, int(arguments.batches), arguments.threads, arguments.cache,
            arguments.seconds)
        return
    for name in arguments.models.split(","):
        for engine in arguments.engines.split(","):
            if not engine.startswith("torch"):
                (int8_path if engine.endswith("-int8") else onnx_path)(arguments.cache, name)
            for batch in arguments.batches.split(","):
                result = subprocess.run(
                    [sys.executable, __file__, "--here", "--models", name, "--engines", engine, "--batches", batch,
                     "--threads", str(arguments.threads), "--cache", arguments.cache,
                     "--seconds", str(arguments.seconds)], capture_output=True, text=True)
                if result.returncode == 0:
                    print(result.stdout.strip().splitlines()[-1], flush=True)
                else:
                    reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
                    print(json.dumps({
                        "engine": engine, "model": name, "batch": int(batch), "failed": reason[:200]}), flush=True)


main()
