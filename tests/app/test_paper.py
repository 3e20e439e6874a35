"""The paper's numbers as the app has them, against our own presets."""

import pytest

from app import paper
from vitrm.config import ModelConfig, ResNetConfig, ViTConfig, preset
from vitrm.nets.cost import vit_parameters


def test_the_papers_tables_are_those_of_the_paper():
    assert [len(table) for table in (paper.TABLE_1, paper.TABLE_2)] == [7, 7]
    best = {name: max(row.accuracy[1] for row in table) for name, table in paper.TABLES.items()}
    assert best == {"CIFAR-10": 93.9, "CIFAR-100": 75.2}
    for table in paper.TABLES.values():
        families = {row.model: row.family for row in table}
        assert families["ViTRM"] == ModelConfig.family_title
        assert families["ViT-Large"] == ViTConfig.family_title
        assert families["ResNet-50"] == ResNetConfig.family_title
        assert [row.model for row in table if None in row.accuracy] == ["ViT-Large"]
    assert dict(paper.BY_MEMORY)["3"] == dict(paper.BY_SUPERVISION)["1"] == paper.TABLE_1[0].accuracy[1]


@pytest.mark.parametrize("name", ["paper", "vit-small", "vit-base", "vit-large", "resnet18", "resnet34", "resnet50"])
def test_the_papers_parameters_are_those_of_our_presets(name):
    titles = {"paper": "ViTRM", "vit-small": "ViT-Small", "vit-base": "ViT-Base", "vit-large": "ViT-Large"}
    row = next(row for row in paper.TABLE_1 if row.model in (titles.get(name), name.replace("resnet", "ResNet-")))
    model = preset(name).model
    assert row.family == model.family_title
    if isinstance(model, ViTConfig):
        assert vit_parameters(model) / 1e6 == pytest.approx(row.millions, abs=0.06)
