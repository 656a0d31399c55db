"""7,043 customers of a telephone company, 1,869 of whom left it within the last month (IBM's sample data, fictional).

The 11 customers who have not yet been sent a bill (`tenure` 0) have no `TotalCharges`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.data import files
from zoo.data.entry import Entry, Raw, Web
from zoo.data.split import Split, hold_out
from zoo.data.table import Columns, encode, read_csv

TEST_SEED = 0  # pinned: the published numbers are measured on the fifth that this seed holds out
FILE, SHA256 = "Telco-Customer-Churn.csv", "16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91"

_NO_YES = ("No", "Yes")
_SERVICE = ("No", "No internet service", "Yes")
_COLUMNS = Columns(
    numbers=("tenure", "MonthlyCharges", "TotalCharges"),
    categories={
        "gender": ("Female", "Male"),
        "SeniorCitizen": ("0", "1"),
        "Partner": _NO_YES,
        "Dependents": _NO_YES,
        "PhoneService": _NO_YES,
        "MultipleLines": ("No", "No phone service", "Yes"),
        "InternetService": ("DSL", "Fiber optic", "No"),
        "OnlineSecurity": _SERVICE,
        "OnlineBackup": _SERVICE,
        "DeviceProtection": _SERVICE,
        "TechSupport": _SERVICE,
        "StreamingTV": _SERVICE,
        "StreamingMovies": _SERVICE,
        "Contract": ("Month-to-month", "One year", "Two year"),
        "PaperlessBilling": _NO_YES,
        "PaymentMethod": ("Bank transfer (automatic)", "Credit card (automatic)", "Electronic check", "Mailed check"),
    },
)

_RAW = Raw(
    folder="telco-churn",
    files={FILE: SHA256},
    mirrors=(Web("https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/master/data/", {FILE: SHA256}),),
)


def read(folder: Path) -> tuple[Split, Split]:
    """(train, test): a stratified fifth is the test split."""
    rows = read_csv(files.read(_RAW, folder, FILE).decode(), FILE)
    targets = torch.tensor([_NO_YES.index(row["Churn"]) for row in rows])
    return hold_out(Split(encode(rows, _COLUMNS), targets), 0.2, TEST_SEED)


TELCO_CHURN = Entry(
    name="telco_churn",
    kind="table",
    labels=["stays", "leaves"],
    maximum=1.0,
    raw=_RAW,
    read=read,
    fingerprint="13f642be5cd6042abf5878773c9605c9fcc21c1b4376b79c8fdbe53e6004394e",
    note="No split is published; the test split is a fixed fifth of each class.",
    table=_COLUMNS,
)
