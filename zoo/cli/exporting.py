"""A weight for other programs: `zoo export`, `zoo embed`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo.cli.options import DONE, FAILED, Device, Json, Name
from zoo.cli.output import document, facts

app: typer.Typer = typer.Typer()


@app.command()
def export(
    name: Name,
    out: Annotated[str, typer.Option("-o", "--out", metavar="FILE.onnx", help="The file to write.")],
    format: Annotated[str, typer.Option(metavar="FORMAT", help="onnx.")] = "onnx",
    int8: Annotated[bool, typer.Option("--int8", help="Eight-bit weights, calibrated on training samples.")] = False,
    as_json: Json = False,
) -> int:
    """Write a weight as an ONNX file and prove that it answers as the weight does."""
    import zoo

    report = zoo.export(name, out, format=format, quantize="int8" if int8 else None)
    document(report.to_dict()) if as_json else _print(report)
    return DONE if report.ok else FAILED


@app.command()
def embed(
    name: Name,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, texts or JSON, as the task asks.")],
    out: Annotated[str, typer.Option("-o", "--out", metavar="FILE.npy", help="The file to write.")],
    device: Device = None,
) -> None:
    """Write what a model finds in each input before its head, as an array (N, D) of float32."""
    from zoo._features import save

    print(save(name, inputs, out, device=device))


def predict_file(path: str, inputs: list[str], as_json: bool, plain: bool) -> int:
    """`zoo predict FILE.onnx INPUT…`: the answers of an ONNX file."""
    from zoo._export.onnx_file import open_file
    from zoo._export.predictor import answers
    from zoo.errors import ZooError

    if not plain:
        raise ZooError("the answers of an ONNX file are printed, as text or with --json; leave out the other options.")
    found = [{"input": str(raw), **answer} for raw, answer in answers(open_file(path), inputs)]
    if as_json:
        document(found)
        return DONE
    for one in found:
        print(one.pop("input"))
        for top in one.get("top", ()):
            print(f"  {top['probability']:7.2%}  {top['label']}")
        if "top" not in one:
            facts(one, "  ")
    return DONE


def _print(report: Any) -> None:
    print(report.message)
    for file, about in report.files.items():
        print(f"  {file}  {about['size'] / 1e6:.2f} MB")
    agreement = report.agreement
    print(
        f"  outputs: {agreement['largest']:.1e} of their scale at most, over {len(agreement['grid'])} sizes "
        f"(made by {report.exporter})"
    )
    if report.measured is None:
        print(f"  {report.metric} was not measured: the data set is not at hand (`zoo data get` fetches it)")
    else:
        print(f"  {report.metric}: {report.measured:.4f} by onnxruntime, {report.published:.4f} published")
